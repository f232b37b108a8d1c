"""Environments: the interface `VectorEnv` and adapters to it."""

from jaxdqn.envs.env import TimeStep, VectorEnv, where
from jaxdqn.envs.gymnax import from_gymnax

__all__ = ["TimeStep", "VectorEnv", "from_gymnax", "where"]
