"""Multilayer perceptrons: Flax modules `obs [..., F] -> q [..., A]`."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdqn.networks import heads

Params = Any
"""A pytree of arrays, as returned by `init` and accepted by `apply`."""
Activation = Callable[[jax.Array], jax.Array]
"""Applied after a layer, `[..., features] -> [..., features]`; may create layers itself."""


def norm_relu(x: jax.Array) -> jax.Array:
    """LayerNorm, Ba et al. (2016), arXiv:1607.06450, then ReLU: an `Activation` with parameters."""
    return nn.relu(nn.LayerNorm()(x))


class Torso(nn.Module):
    """Hidden layers of the sizes `features`, applied to `obs * obs_scale`: `[..., F] -> [..., features[-1]]`.

    The fixed scale (a number, or one for each of F) is part of the network, not of the
    environment: stored and logged observations stay in the units of the environment.
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
    """Torso and a linear layer: `q [..., A]`, or with `num_atoms` Z `[..., A, Z]`."""

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale, self.activation)(obs)
        return heads.linear(x, self.num_actions, self.num_atoms)


class Dueling(nn.Module):
    """Torso and a dueling head: `q [..., A]`, or with `num_atoms` Z `[..., A, Z]`."""

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale, self.activation)(obs)
        return heads.dueling(x, self.num_actions, self.num_atoms)


def layer_order(name: str) -> list[tuple[bool, int, str]]:
    """Sort key that orders parameter paths such as `params.Torso_0.Dense_1` as the layers are applied.

    The torso comes first; Flax numbers modules of one class in the order of their creation.
    """

    def rank(part: str) -> tuple[bool, int, str]:
        kind, _, number = part.rpartition("_")
        return kind != "Torso", int(number) if number.isdecimal() else -1, part

    return [rank(part) for part in name.split(".")]
