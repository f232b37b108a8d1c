"""Adapter to gymnax environments. The only module that imports gymnax."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn.envs.env import TimeStep, VectorEnv, where


def from_gymnax(name: str, num_envs: int, **env_params: Any) -> VectorEnv:
    """`num_envs` copies of the gymnax environment `name`, such as `"CartPole-v1"`, with discrete actions.

    `env_params` override gymnax' own, for instance `max_steps_in_episode=10_000`.
    The dynamics are those of gymnax. A step is cheaper than its `step` because reset
    states are computed only when an episode ends (under `vmap`, at every step).
    Observations are passed through unchanged; the networks of `jaxdqn.networks` expect `[N, F]`.
    Raises `ValueError` if the actions are not discrete.
    """
    with _lazy_seaborn():
        # Imported here because it takes seconds and initialises the JAX backend.
        import gymnax
        from gymnax.environments import spaces

    env, params = gymnax.make(name)
    params = params.replace(**env_params)
    space = env.action_space(params)
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"env ({name}) must have discrete actions, not {type(space).__name__}.")
    reset_envs = jax.vmap(env.reset_env, in_axes=(0, None))
    step_envs = jax.vmap(env.step_env, in_axes=(0, 0, 0, None))
    is_truncated = jax.vmap(env.is_truncated, in_axes=(0, None))

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        obs, env_state = reset_envs(jax.random.split(key, num_envs), params)
        return env_state, obs

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, TimeStep]:
        step_key, reset_key = jax.random.split(key)
        step_keys = jax.random.split(step_key, num_envs)
        final_obs, env_state, reward, terminated, _ = step_envs(
            step_keys, env_state, action, params
        )
        truncated = is_truncated(env_state, params)
        done = terminated | truncated
        env_state, obs = jax.lax.cond(
            jnp.any(done),
            lambda running: where(done, reset(reset_key), running),
            lambda running: running,
            (env_state, final_obs),
        )
        reward = reward.astype(jnp.float32)
        return env_state, TimeStep(obs, reward, terminated, truncated, final_obs)

    return VectorEnv(reset, step, num_envs, int(space.n))


@contextmanager
def _lazy_seaborn() -> Iterator[None]:
    """Defers seaborn, which only gymnax' Pong uses and which takes 3 of the 5 seconds of `import gymnax`."""

    class LazyModule(ModuleType):
        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module("seaborn"), attribute)

    if "seaborn" in sys.modules or "gymnax" in sys.modules:
        yield
        return
    sys.modules["seaborn"] = LazyModule("seaborn")
    try:
        yield
    finally:
        del sys.modules["seaborn"]
