"""How does an observation become action values? Flax modules `obs [..., F] -> q [..., A]`."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

Params = Any
"""A pytree of arrays, as `init` makes it and `apply` takes it."""
Activation = Callable[[jax.Array], jax.Array]
"""What follows a layer, `[..., features] -> [..., features]`; may make layers of its own."""
FEW = 8
"""Columns up to which a product a column is the faster one."""


def norm_relu(x: jax.Array) -> jax.Array:
    """LayerNorm, Ba et al. (2016), arXiv:1607.06450, then ReLU: an `Activation` with parameters."""
    return nn.relu(nn.LayerNorm()(x))


class Torso(nn.Module):
    """`features` layers on observations times a fixed `obs_scale`: `[..., F] -> [..., features[-1]]`.

    The scale (a number, or one for each of F) is part of the network, not of the
    world: what is stored, logged and saved stays in the world's own units.
    """

    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = obs.astype(jnp.float32) * jnp.broadcast_to(jnp.asarray(self.obs_scale), obs.shape)
        for width in self.features:
            x = self.activation(nn.Dense(width)(x))
        return x


class MLP(nn.Module):
    """A torso and one linear layer: `q [..., A]`, or with `num_atoms` Z `[..., A, Z]`."""

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale, self.activation)(obs)
        return _head(x, self.num_actions, self.num_atoms)


class Dueling(nn.Module):
    """`q(a) = v + advantage(a) - mean_a advantage(a)`, Wang et al. (2016), arXiv:1511.06581, eq. 9.

    `[..., A]`, or with `num_atoms` Z `[..., A, Z]`, where the mean is of each atom.
    """

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale, self.activation)(obs)
        value = _head(x, 1, self.num_atoms)
        advantage = _head(x, self.num_actions, self.num_atoms)
        over_actions = -1 if self.num_atoms is None else -2
        return value + advantage - jnp.mean(advantage, axis=over_actions, keepdims=True)


class ImplicitQuantile(nn.Module):
    """Quantiles `[..., A, K]` at the levels asked for, Dabney et al. (2018), arXiv:1806.06923, eq. 4.

    The torso's output, times `ReLU(dense(cos(π i τ)))`, `i = 0 ... num_cosines - 1`.
    """

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    num_cosines: int = 64

    @nn.compact
    def __call__(self, obs: jax.Array, levels: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale, self.activation)(obs)
        frequencies = jnp.pi * jnp.arange(self.num_cosines, dtype=jnp.float32)
        # Leading axes of the levels, which `frequencies` has not.
        leading = (1,) * levels.ndim
        cosines = jnp.cos(levels[..., None] * frequencies.reshape(*leading, -1))
        embedding = nn.relu(nn.Dense(x.shape[-1])(cosines))
        quantiles = nn.Dense(self.num_actions)(x[..., None, :] * embedding)
        return jnp.swapaxes(quantiles, -1, -2)


def layer_order(name: str) -> list[tuple[bool, int, str]]:
    """Sorts names like `params.Torso_0.Dense_1` as the networks of this file apply those layers.

    The torso comes before what stands on it; Flax numbers modules of a kind as they are made.
    """

    def rank(part: str) -> tuple[bool, int, str]:
        kind, _, number = part.rpartition("_")
        return kind != "Torso", int(number) if number.isdecimal() else -1, part

    return [rank(part) for part in name.split(".")]


def _head(x: jax.Array, num_actions: int, num_atoms: int | None) -> jax.Array:
    if num_atoms is None:
        product = _product_by_column if num_actions <= FEW else None
        return nn.Dense(num_actions, dot_general=product)(x)
    return nn.Dense(num_actions * num_atoms)(x).reshape(*x.shape[:-1], num_actions, num_atoms)


def _product_by_column(x: jax.Array, kernel: jax.Array, dimension_numbers: Any, **precision: Any):
    """`x @ kernel`, a product a column: few columns are slow together on a CPU, forward and back."""
    del dimension_numbers
    return jnp.stack([jnp.dot(x, column, **precision) for column in kernel.T], axis=-1)
