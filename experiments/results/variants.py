"""Variants of CartPole that the trained policies have not seen: longer episodes, other poles, noise."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn import envs
from jaxdqn.envs import TimeStep, VectorEnv
from jaxdqn.recipes.classic import ENV

LONG = 10_000
"""Time limit of the variant with long episodes, in steps."""


def pole(scale: float, num_envs: int) -> VectorEnv:
    """A pole `scale` times as long, of the same mass."""
    # Gymnax stores half the length and, separately, its product with the mass (0.1).
    half = 0.5 * scale
    return envs.from_gymnax(ENV, num_envs, length=half, polemass_length=0.1 * half)


def start(bound: float, num_envs: int) -> VectorEnv:
    """Initial states uniform within ±`bound` instead of ±0.05, in the first episode of each environment."""
    env = envs.from_gymnax(ENV, num_envs)
    scale = bound / 0.05

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        state, obs = env.reset(key)
        names = ("x", "x_dot", "theta", "theta_dot")
        scaled = {name: scale * getattr(state, name) for name in names}
        return state.replace(**scaled), scale * obs

    return env._replace(reset=reset)


def sticky(probability: float, num_envs: int) -> VectorEnv:
    """Repeats the previous action with this probability, Machado et al. (2018), arXiv:1709.06009."""
    env = envs.from_gymnax(ENV, num_envs)
    none = jnp.full(num_envs, -1)

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        state, obs = env.reset(key)
        return (state, none), obs

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, TimeStep]:
        sticky_key, step_key = jax.random.split(key)
        state, previous = env_state
        repeat = jax.random.bernoulli(sticky_key, probability, (num_envs,)) & (previous >= 0)
        executed = jnp.where(repeat, previous, action)
        state, timestep = env.step(step_key, state, executed)
        done = timestep.terminated | timestep.truncated
        return (state, jnp.where(done, none, executed)), timestep

    return env._replace(reset=reset, step=step)


VARIANTS: dict[str, Callable[[int], VectorEnv]] = {
    f"episodes of {LONG:,} steps": lambda n: envs.from_gymnax(ENV, n, max_steps_in_episode=LONG),
    "pole twice as long": lambda n: pole(2.0, n),
    "pole half as long": lambda n: pole(0.5, n),
    "start within ±0.2": lambda n: start(0.2, n),
    "5 % sticky actions": lambda n: sticky(0.05, n),
}
"""Name -> `(num_envs) -> VectorEnv`."""
