"""What is a world? N copies that step together and reset themselves."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class TimeStep(NamedTuple):
    """What N worlds answer to N actions."""

    obs: jax.Array
    """`[N, *obs]`, to choose the next action from: of a new episode where one ended."""
    reward: jax.Array
    """`[N]` float32."""
    terminated: jax.Array
    """`[N]` bool: the world ended, nothing more can be earned."""
    truncated: jax.Array
    """`[N]` bool: the clock ended it. Both can be true; `terminated` wins."""
    final_obs: jax.Array
    """`[N, *obs]`, what the action led to, before any reset."""


class Env(NamedTuple):
    """The seam between an agent and its worlds."""

    reset: Callable[[jax.Array], tuple[Any, jax.Array]]
    """`(key) -> (env_state, obs [N, *obs])`."""
    step: Callable[[jax.Array, Any, jax.Array], tuple[Any, TimeStep]]
    """`(key, env_state, action [N]) -> (env_state, time_step)`."""
    num_envs: int
    num_actions: int


def from_gymnax(name: str, num_envs: int, **env_params: Any) -> Env:
    """`num_envs` copies of a gymnax world with discrete actions, such as `"CartPole-v1"`.

    `env_params` replace gymnax' own, for instance `max_steps_in_episode=10_000`.
    The dynamics are gymnax' own; a step costs less than its `step`, because initial
    states are drawn only when an episode ends (under `vmap` at each step after all).
    Observations are passed on as they are: the networks here want them `[N, F]`.
    """
    with _seaborn_on_demand():
        # Here, not above: the import takes seconds and starts the JAX backend.
        import gymnax
        from gymnax.environments import spaces

    world, params = gymnax.make(name)
    params = params.replace(**env_params)
    space = world.action_space(params)
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"env ({name}) must have discrete actions, not {type(space).__name__}.")
    reset_worlds = jax.vmap(world.reset_env, in_axes=(0, None))
    step_worlds = jax.vmap(world.step_env, in_axes=(0, 0, 0, None))
    is_truncated = jax.vmap(world.is_truncated, in_axes=(0, None))

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        obs, env_state = reset_worlds(jax.random.split(key, num_envs), params)
        return env_state, obs

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, TimeStep]:
        step_key, reset_key = jax.random.split(key)
        step_keys = jax.random.split(step_key, num_envs)
        final_obs, env_state, reward, terminated, _ = step_worlds(
            step_keys, env_state, action, params
        )
        truncated = is_truncated(env_state, params)
        finished = terminated | truncated
        env_state, obs = jax.lax.cond(
            jnp.any(finished),
            lambda running: where(finished, reset(reset_key), running),
            lambda running: running,
            (env_state, final_obs),
        )
        reward = reward.astype(jnp.float32)
        return env_state, TimeStep(obs, reward, terminated, truncated, final_obs)

    return Env(reset, step, num_envs, int(space.n))


def where(mask: jax.Array, new: Any, old: Any) -> Any:
    """The leaves `[N, ...]` of `new` in the worlds where `mask [N]` holds, of `old` elsewhere."""

    def choose(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (y.ndim - 1)), x, y).astype(y.dtype)

    return jax.tree.map(choose, new, old)


@contextmanager
def _seaborn_on_demand() -> Iterator[None]:
    """Spares `import gymnax` the 3 of its 5 seconds that go to seaborn, which only draws Pong."""

    class OnDemand(ModuleType):
        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module("seaborn"), attribute)

    if "seaborn" in sys.modules or "gymnax" in sys.modules:
        yield
        return
    sys.modules["seaborn"] = OnDemand("seaborn")
    try:
        yield
    finally:
        del sys.modules["seaborn"]
