"""Vectorised environments: N copies of one environment that step together and reset themselves."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


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


class VectorEnv(NamedTuple):
    """The interface between agents and environments."""

    reset: Callable[[jax.Array], tuple[Any, jax.Array]]
    """`(key) -> (env_state, obs [N, *obs])`."""
    step: Callable[[jax.Array, Any, jax.Array], tuple[Any, TimeStep]]
    """`(key, env_state, action [N]) -> (env_state, time_step)`."""
    num_envs: int
    num_actions: int


def where(mask: jax.Array, new: Any, old: Any) -> Any:
    """Leaves `[N, ...]` of `new` where `mask [N]` is true, of `old` elsewhere."""

    def choose(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (y.ndim - 1)), x, y).astype(y.dtype)

    return jax.tree.map(choose, new, old)
