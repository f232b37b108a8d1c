"""Environments: `Env`, one environment as its author writes it, and `VectorEnv`, N of them that reset themselves."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.config import check_at_least


class Env(NamedTuple):
    """One environment as pure functions of its state, a pytree of arrays.

    The author writes no batching, no automatic reset and no truncation; `vectorize` adds them.
    """

    reset: Callable[[jax.Array], Any]
    """`(key) -> state` at the start of an episode."""
    step: Callable[[jax.Array, Any, jax.Array], tuple[Any, jax.Array, jax.Array]]
    """`(key, state, action []) -> (state, reward [], terminated [])`."""
    observe: Callable[[Any], jax.Array]
    """`(state) -> obs`, of any shape and dtype, the same in every state."""
    num_actions: int
    """Actions are the integers in `[0, num_actions)`."""
    time_limit: int | None = None
    """Steps after which an episode is truncated; None for no limit."""
    render: Callable[[Any], jax.Array] | None = None
    """`(state) -> image`, uint8 `[H, W, 3]`; optional."""
    time: Callable[[Any], jax.Array] | None = None
    """`(state) -> time []` that discounts rewards, if steps do not all take as long; by default each takes 1."""


class TimeStep(NamedTuple):
    """The response of N environments to N actions."""

    obs: jax.Array
    """`[N, *obs]`, the observations to act on next: of a new episode where one ended."""
    reward: jax.Array
    """`[N]` float32."""
    terminated: jax.Array
    """`[N]` bool, whether the episode reached a terminal state."""
    truncated: jax.Array
    """`[N]` bool, whether the time limit ended it. If both are true, `terminated` takes precedence."""
    final_obs: jax.Array
    """`[N, *obs]`, the successor of the action, before any reset."""
    duration: jax.Array | None = None
    """`[N]`, the time k of the step, whose discount is `gamma ** k`; None if it is 1 in each environment."""


class VectorEnv(NamedTuple):
    """N environments that step together and reset themselves: the interface to the agents."""

    reset: Callable[[jax.Array], tuple[Any, jax.Array]]
    """`(key) -> (env_state, obs [N, *obs])`."""
    step: Callable[[jax.Array, Any, jax.Array], tuple[Any, TimeStep]]
    """`(key, env_state, action [N]) -> (env_state, time_step)`."""
    num_envs: int
    num_actions: int
    obs: jax.ShapeDtypeStruct
    """Shape and dtype of one observation."""


class Episode(NamedTuple):
    """The state of an environment and the number of steps in its current episode."""

    state: Any
    time: jax.Array
    """`[N]` int32."""


def vectorize(env: Env, num_envs: int) -> VectorEnv:
    """`num_envs` copies of `env`, with its time limit, automatic resets and `final_obs`.

    Initial states are computed only when an episode ends (under `vmap`, at every step). Raises
    `ValueError` as `check` does.
    """
    check_at_least("num_envs", num_envs, 1)
    obs = check(env)
    reset_envs = jax.vmap(lambda key: _arrays(env.reset(key)))
    step_envs = jax.vmap(lambda *inputs: _arrays(env.step(*inputs)))
    observe = jax.vmap(env.observe)
    elapsed = None if env.time is None else jax.vmap(env.time)

    def reset(key: jax.Array) -> tuple[Episode, jax.Array]:
        state = reset_envs(jax.random.split(key, num_envs))
        return Episode(state, jnp.zeros(num_envs, jnp.int32)), observe(state)

    def step(key: jax.Array, episode: Episode, action: jax.Array) -> tuple[Episode, TimeStep]:
        step_key, reset_key = jax.random.split(key)
        step_keys = jax.random.split(step_key, num_envs)
        state, reward, terminated = step_envs(step_keys, episode.state, action)
        time = episode.time + 1
        duration = None if elapsed is None else elapsed(state) - elapsed(episode.state)
        truncated = time >= (2**31 - 1 if env.time_limit is None else env.time_limit)
        final_obs, done = observe(state), terminated | truncated
        episode, obs = jax.lax.cond(
            jnp.any(done),
            lambda running: where(done, reset(reset_key), running),
            lambda running: running,
            (Episode(state, time), final_obs),
        )
        reward = reward.astype(jnp.float32)
        return episode, TimeStep(obs, reward, terminated, truncated, final_obs, duration)

    return VectorEnv(reset, step, num_envs, env.num_actions, obs)


def where(mask: jax.Array, new: Any, old: Any) -> Any:
    """Leaves `[N, ...]` of `new` where `mask [N]` is true, of `old` elsewhere."""

    def choose(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (y.ndim - 1)), x, y)

    return jax.tree.map(choose, new, old)


def check(env: Env) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an observation of `env`; nothing is computed.

    Raises `ValueError` if the types of its functions do not fit each other.
    """
    if env.num_actions < 1:
        raise ValueError(f"num_actions ({env.num_actions}) must be at least 1.")
    if env.time_limit is not None and env.time_limit < 1:
        raise ValueError(f"time_limit ({env.time_limit}) must be at least 1 or None.")
    key, action = jax.random.key(0), jnp.int32(0)
    state = jax.eval_shape(lambda key: _arrays(env.reset(key)), key)
    after, reward, terminated = jax.eval_shape(
        lambda *inputs: _arrays(env.step(*inputs)), key, state, action
    )
    _require_same("step must return a state like that of reset", state, after)
    obs, next_obs = (jax.eval_shape(env.observe, x) for x in (state, after))
    _require_same("observe must return the same shape and dtype in every state", obs, next_obs)
    if not isinstance(obs, jax.ShapeDtypeStruct):
        raise ValueError(f"observe must return one array, not {type(obs).__name__}.")
    if reward.shape or terminated.shape or terminated.dtype != bool:
        raise ValueError(
            f"step must return a scalar reward ({_shown(reward)}) "
            f"and a scalar bool terminated ({_shown(terminated)})."
        )
    if env.time is not None and jax.eval_shape(env.time, state).shape:
        raise ValueError("time must return a scalar.")
    return jax.ShapeDtypeStruct(obs.shape, obs.dtype)


def _require_same(rule: str, first: Any, second: Any) -> None:
    if jax.tree.structure(first) != jax.tree.structure(second):
        raise ValueError(f"{rule}; their structures differ.")
    for x, y in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        if _shown(x) != _shown(y):
            raise ValueError(f"{rule}: {_shown(x)}, then {_shown(y)}.")


def _shown(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}"


def _arrays(tree: Any) -> Any:
    """The leaves as arrays that are not weakly typed, so that they can be carried by a scan."""

    def strong(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        return x.astype(x.dtype) if getattr(x, "weak_type", False) else x

    return jax.tree.map(strong, tree)
