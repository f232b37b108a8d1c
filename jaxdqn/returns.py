"""What did the next few steps bring? Folds over time, the leading axis."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class NStep(NamedTuple):
    """The first `m <= n` steps as one."""

    reward: jax.Array
    """`[...]`, `r_0 + γ_0 r_1 + ... + γ_0 ... γ_{m-2} r_{m-1}`."""
    discount: jax.Array
    """`[...]`, `γ_0 ... γ_{m-1}`: what the bootstrap is multiplied by."""
    last: jax.Array
    """`[...]` int32, `m - 1`: the step whose `next_obs` is bootstrapped from."""


def n_step(reward: jax.Array, discount: jax.Array, stop: jax.Array) -> NStep:
    """Folds `[n, ...]` steps into one, ending with the first whose `stop` is true.

    The step that stops is still counted: its reward was received, and its
    `discount` says whether anything follows (0 if terminated, γ if truncated).
    Sutton & Barto (2018), section 7.1; uncorrected for actions that the greedy policy
    would not take, as in Rainbow, arXiv:1710.02298.
    """
    total, weight = reward[0], discount[0]
    going, last = ~stop[0], jnp.zeros(reward.shape[1:], jnp.int32)
    for k in range(1, reward.shape[0]):
        total = jnp.where(going, total + weight * reward[k], total)
        weight = jnp.where(going, weight * discount[k], weight)
        last = jnp.where(going, k, last)
        going = going & ~stop[k]
    return NStep(total, weight, last)


def lambda_returns(
    reward: jax.Array,
    discount: jax.Array,
    finished: jax.Array,
    next_value: jax.Array,
    lambda_: float | jax.Array,
) -> jax.Array:
    """`G_t = r_t + γ_t ((1 - λ) v_{t+1} + λ G_{t+1})`, all `[T, ...]`, from the last step back.

    `next_value` is that of what followed each step before any reset. Where a step is the
    last of its episode, or of the rollout, `G_{t+1}` belongs to other steps and
    `v_{t+1}` takes its place. Sutton & Barto (2018), section 12.1; arXiv:2407.04811, eq. 14.
    """
    ends = finished.at[-1].set(True)

    def step_back(following: jax.Array, step: tuple[jax.Array, ...]):
        reward, discount, end, value = step
        future = jnp.where(end, value, (1 - lambda_) * value + lambda_ * following)
        now = reward + discount * future
        return now, now

    steps = (reward, discount, ends, next_value)
    return jax.lax.scan(step_back, jnp.zeros_like(next_value[-1]), steps, reverse=True)[1]
