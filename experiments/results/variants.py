"""In which other worlds is the trained policy asked to balance? CartPole made longer, and harder."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn import envs
from jaxdqn.envs import TimeStep, VectorEnv
from jaxdqn.recipes.classic import ENV

LONG = 10_000
"""Steps of an episode whose limit is lifted."""


def pole(times: float, num_envs: int) -> VectorEnv:
    """A pole `times` as long, of the same mass."""
    # Gymnax keeps half the length and, apart from it, its product with the mass (0.1).
    half = 0.5 * times
    return envs.from_gymnax(ENV, num_envs, length=half, polemass_length=0.1 * half)


def start(bound: float, num_envs: int) -> VectorEnv:
    """First states uniform within ±`bound` in all four coordinates, not ±0.05; those of later episodes are as ever."""
    world = envs.from_gymnax(ENV, num_envs)
    times = bound / 0.05

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        state, obs = world.reset(key)
        names = ("x", "x_dot", "theta", "theta_dot")
        return state.replace(**{name: times * getattr(state, name) for name in names}), times * obs

    return world._replace(reset=reset)


def sticky(probability: float, num_envs: int) -> VectorEnv:
    """The last action is repeated with this probability, Machado et al. (2018), arXiv:1709.06009."""
    world = envs.from_gymnax(ENV, num_envs)
    none = jnp.full(num_envs, -1)

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        state, obs = world.reset(key)
        return (state, none), obs

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, TimeStep]:
        sticky_key, step_key = jax.random.split(key)
        state, last = env_state
        sticks = jax.random.bernoulli(sticky_key, probability, (num_envs,)) & (last >= 0)
        done = jnp.where(sticks, last, action)
        state, timestep = world.step(step_key, state, done)
        return (state, jnp.where(timestep.terminated | timestep.truncated, none, done)), timestep

    return world._replace(reset=reset, step=step)


WORLDS: dict[str, Callable[[int], VectorEnv]] = {
    f"episodes of {LONG:,} steps": lambda n: envs.from_gymnax(ENV, n, max_steps_in_episode=LONG),
    "pole twice as long": lambda n: pole(2.0, n),
    "pole half as long": lambda n: pole(0.5, n),
    "start within ±0.2": lambda n: start(0.2, n),
    "5 % sticky actions": lambda n: sticky(0.05, n),
}
"""Name -> `(num_envs) -> Env`."""
