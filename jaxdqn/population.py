"""How do many agents share one device? Each keeps its own key; none sees another."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


def keys(seeds: Sequence[int]) -> jax.Array:
    """`[S]`, member k's key is `jax.random.key(seeds[k])`: the same alone and among others."""
    return jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))


def each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`function` of one member as a function of all, `[S]` leading every leaf.

    On a CPU one member after another: bit-equal to the member alone, and faster
    there than `vmap`; but each call copies a member's state in and out once, so let
    calls be long where the replay is large. Elsewhere `vmap`, equal up to rounding.
    """
    if jax.default_backend() == "cpu":
        return lambda members: jax.lax.map(function, members)
    return jax.vmap(function)
