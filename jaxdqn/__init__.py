"""Deep Q-learning as pure JAX functions.

`from jaxdqn import agents, envs, networks, replay, training` gives the parts of a training
program; `jaxdqn.runs` adds everything with side effects. See `jaxdqn/README.md`.
"""

from jaxdqn import (
    agents,
    distributions,
    envs,
    evaluation,
    networks,
    policies,
    recipes,
    replay,
    returns,
    targets,
    training,
)
from jaxdqn.config import Config, ConfigError
from jaxdqn.transition import Transition

__all__ = [
    "Config",
    "ConfigError",
    "Transition",
    "agents",
    "distributions",
    "envs",
    "evaluation",
    "networks",
    "policies",
    "recipes",
    "replay",
    "returns",
    "targets",
    "training",
]
