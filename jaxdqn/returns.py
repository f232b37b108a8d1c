"""Returns: n-step and λ-returns, computed along the leading (time) axis."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class NStep(NamedTuple):
    """The first `m <= n` steps combined into one."""

    reward: jax.Array
    """`[...]`, `r_0 + γ_0 r_1 + ... + γ_0 ... γ_{m-2} r_{m-1}`."""
    discount: jax.Array
    """`[...]`, `γ_0 ... γ_{m-1}`, the factor of the bootstrap value."""
    last: jax.Array
    """`[...]` int32, `m - 1`, the step whose `next_obs` is used for the bootstrap."""


def n_step(reward: jax.Array, discount: jax.Array, stop: jax.Array) -> NStep:
    """Combines `[n, ...]` steps into one, up to and including the first whose `stop` is true.

    The `discount` of that step determines whether the return bootstraps: 0 on termination, γ on
    truncation. Sutton & Barto (2018), section 7.1, without off-policy correction, as in Rainbow,
    arXiv:1710.02298.
    """
    total, weight = reward[0], discount[0]
    running, last = ~stop[0], jnp.zeros(reward.shape[1:], jnp.int32)
    for k in range(1, reward.shape[0]):
        total = jnp.where(running, total + weight * reward[k], total)
        weight = jnp.where(running, weight * discount[k], weight)
        last = jnp.where(running, k, last)
        running = running & ~stop[k]
    return NStep(total, weight, last)


def lambda_returns(
    reward: jax.Array,
    discount: jax.Array,
    done: jax.Array,
    next_value: jax.Array,
    lambda_: float | jax.Array,
) -> jax.Array:
    """`G_t = r_t + γ_t ((1 - λ) v_{t+1} + λ G_{t+1})`, for arrays `[T, ...]`.

    `next_value` (`v_{t+1}`) is the value of the successor of each step, before any reset. At the
    last step of an episode or of the rollout, `v_{t+1}` replaces `G_{t+1}`. Sutton & Barto (2018),
    section 12.1; arXiv:2407.04811, eq. 14.
    """
    ends = done.at[-1].set(True)

    def backward(following: jax.Array, step: tuple[jax.Array, ...]):
        reward, discount, end, value = step
        future = jnp.where(end, value, (1 - lambda_) * value + lambda_ * following)
        current = reward + discount * future
        return current, current

    steps = (reward, discount, ends, next_value)
    return jax.lax.scan(backward, jnp.zeros_like(next_value[-1]), steps, reverse=True)[1]
