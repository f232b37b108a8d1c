"""Environments: the interfaces `Env` and `VectorEnv`, wrappers, and adapters to other packages."""

from jaxdqn.envs import lux, snake, wrappers
from jaxdqn.envs.env import Env, Episode, TimeStep, VectorEnv, check, vectorize, where
from jaxdqn.envs.gymnax import gymnax
from jaxdqn.envs.minatar import minatar_paper
from jaxdqn.envs.registry import make, names
from jaxdqn.envs.suites import jumanji, navix, pgx
from jaxdqn.envs.wrappers import (
    binary,
    flatten,
    one_hot,
    scale,
    scale_reward,
    sticky_actions,
    time_limit,
)

__all__ = [
    "Env",
    "Episode",
    "TimeStep",
    "VectorEnv",
    "binary",
    "check",
    "flatten",
    "gymnax",
    "jumanji",
    "lux",
    "make",
    "minatar_paper",
    "names",
    "navix",
    "one_hot",
    "pgx",
    "scale",
    "scale_reward",
    "snake",
    "sticky_actions",
    "time_limit",
    "vectorize",
    "where",
    "wrappers",
]
