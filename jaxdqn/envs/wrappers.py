"""Wrappers: functions `Env -> Env` that change one thing about an environment."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn.config import require
from jaxdqn.envs.env import Env


def sticky_actions(env: Env, probability: float) -> Env:
    """Repeats the previous action of the episode with this probability, Machado et al. (2018), arXiv:1709.06009.

    Raises `ConfigError` unless it lies in [0, 1].
    """
    require("probability", probability, lambda x: 0 <= x <= 1, "must lie in [0, 1].")

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        return env.reset(key), jnp.int32(-1)

    def step(key: jax.Array, state: tuple[Any, jax.Array], action: jax.Array):
        sticky_key, step_key = jax.random.split(key)
        inner, previous = state
        repeat = jax.random.bernoulli(sticky_key, probability) & (previous >= 0)
        executed = jnp.where(repeat, previous, action).astype(jnp.int32)
        inner, reward, terminated = env.step(step_key, inner, executed)
        return (inner, executed), reward, terminated

    def of_inner(function: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        return None if function is None else lambda state: function(state[0])

    functions = {name: of_inner(getattr(env, name)) for name in ("observe", "render", "time")}
    return env._replace(reset=reset, step=step, **functions)


def time_limit(env: Env, num_steps: int | None) -> Env:
    """Truncates episodes after `num_steps` steps instead of the limit of `env`; None for no limit."""
    return env._replace(time_limit=num_steps)


def scale_reward(env: Env, factor: float) -> Env:
    """Multiplies rewards by `factor`."""

    def step(key: jax.Array, state: Any, action: jax.Array):
        state, reward, terminated = env.step(key, state, action)
        return state, factor * reward, terminated

    return env._replace(step=step)


def one_hot(env: Env, num_values: int) -> Env:
    """Observations that are integers in `[0, num_values)` as one-hot vectors, bool `[*obs, num_values]`."""
    return env._replace(
        observe=lambda state: jax.nn.one_hot(env.observe(state), num_values, dtype=bool)
    )


def flatten(env: Env) -> Env:
    """Observations as vectors `[F]`."""
    return env._replace(observe=lambda state: env.observe(state).ravel())


def scale(env: Env, factor: float | Sequence[float]) -> Env:
    """Observations times `factor`, a number or an array of their shape, as float32."""

    def observe(state: Any) -> jax.Array:
        obs = env.observe(state).astype(jnp.float32)
        return obs * jnp.broadcast_to(jnp.asarray(factor, jnp.float32), obs.shape)

    return env._replace(observe=observe)


def binary(env: Env) -> Env:
    """Observations as bool, true where they are not zero: a quarter of the memory of float32."""
    return env._replace(observe=lambda state: env.observe(state) != 0)
