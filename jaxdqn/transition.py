"""Transition: one step of experience."""

from typing import NamedTuple

import jax


class Transition(NamedTuple):
    """One step in one environment, or many under any leading axes `...`.

    A target multiplies the value of `next_obs` by `discount` and never reads `done`, so that an
    episode that a time limit cuts still bootstraps. `done` tells n-step and λ-returns where an
    episode ends. `Replay.sample` returns the same type for m steps as for one.
    """

    obs: jax.Array
    """`[..., *obs]`, the observation in which the action was chosen."""
    action: jax.Array
    """`[...]` integer in `[0, A)`."""
    reward: jax.Array
    """`[...]` float32; for n steps, their discounted sum."""
    discount: jax.Array
    """`[...]` float32, `gamma ** duration * (1 - terminated)`: zero on termination, not on truncation.

    For m steps the product.
    """
    done: jax.Array
    """`[...]` bool, `terminated | truncated`; for m steps, of the last."""
    next_obs: jax.Array
    """`[..., *obs]`, the successor, before any reset; for m steps, of the last."""
