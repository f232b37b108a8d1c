"""Heads: from features `[..., F]` to `q [..., A]`, or with `num_atoms` Z to `[..., A, Z]`.

Called inside the `nn.compact` method of a network, which owns their parameters.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdqn.networks.torso import Activation

Head = Callable[[jax.Array, int, int | None], jax.Array]
"""`(features [..., F], num_actions, num_atoms) -> q`."""

FEW_COLUMNS = 8
"""Up to this many output columns, one product per column is faster on a CPU."""


def linear(x: jax.Array, num_actions: int, num_atoms: int | None = None) -> jax.Array:
    """One linear layer."""
    if num_atoms is None:
        product = _product_by_column if num_actions <= FEW_COLUMNS else None
        return nn.Dense(num_actions, dot_general=product)(x)
    return nn.Dense(num_actions * num_atoms)(x).reshape(*x.shape[:-1], num_actions, num_atoms)


def hidden(width: int, activation: Activation = nn.relu) -> Head:
    """A hidden layer of `width` units, then `linear`."""

    def head(x: jax.Array, num_actions: int, num_atoms: int | None = None) -> jax.Array:
        return linear(activation(nn.Dense(width)(x)), num_actions, num_atoms)

    return head


def dueling(width: int, activation: Activation = nn.relu) -> Head:
    """`q(a) = v + advantage(a) - mean_a advantage(a)`, Wang et al. (2016), arXiv:1511.06581, eq. 9.

    `v` and `advantage` have a hidden layer of `width` units each. With `num_atoms` the mean is
    taken for each atom separately. Unlike in the paper (section 4.2), the gradient that enters
    the torso is not rescaled by `1 / √2`.
    """
    stream = hidden(width, activation)

    def head(x: jax.Array, num_actions: int, num_atoms: int | None = None) -> jax.Array:
        value, advantage = stream(x, 1, num_atoms), stream(x, num_actions, num_atoms)
        action_axis = -1 if num_atoms is None else -2
        return value + advantage - jnp.mean(advantage, axis=action_axis, keepdims=True)

    return head


def _product_by_column(x: jax.Array, kernel: jax.Array, dimension_numbers: Any, **precision: Any):
    """`x @ kernel`, one product per column: XLA's CPU backend is slow with few columns, forward and backward."""
    del dimension_numbers
    return jnp.stack([jnp.dot(x, column, **precision) for column in kernel.T], axis=-1)
