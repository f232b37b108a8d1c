"""Transition: one step of experience."""

from typing import NamedTuple

import jax


class Transition(NamedTuple):
    """One step in one environment, or many under any leading axes `...`.

    Targets read `discount` only, so that a time limit bootstraps. `done` marks the last step
    of an episode for functions that fold over time.
    """

    obs: jax.Array
    """`[..., *obs]`, the observation in which the action was chosen."""
    action: jax.Array
    """`[...]` integer in `[0, A)`."""
    reward: jax.Array
    """`[...]` float32; for n steps, their discounted sum."""
    discount: jax.Array
    """`[...]` float32, `gamma * (1 - terminated)`: zero on termination, not on truncation."""
    done: jax.Array
    """`[...]` bool, `terminated | truncated`."""
    next_obs: jax.Array
    """`[..., *obs]`, the successor, before any reset."""
