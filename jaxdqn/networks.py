"""How does an observation become action values? Flax modules `obs [..., F] -> q [..., A]`."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

Params = Any
"""A pytree of arrays, as `init` makes it and `apply` takes it."""


class Torso(nn.Module):
    """`features` ReLU layers on observations times a fixed `obs_scale`: `[..., F] -> [..., features[-1]]`.

    The scale (a number, or one for each of F) is part of the network, not of the
    world: what is stored, logged and saved stays in the world's own units.
    """

    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = obs.astype(jnp.float32) * jnp.broadcast_to(jnp.asarray(self.obs_scale), obs.shape)
        for width in self.features:
            x = nn.relu(nn.Dense(width)(x))
        return x


class MLP(nn.Module):
    """A torso and one linear layer to `num_actions`."""

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return nn.Dense(self.num_actions)(Torso(self.features, self.obs_scale)(obs))


class Dueling(nn.Module):
    """`q(a) = v + advantage(a) - mean_a advantage(a)`, Wang et al. (2016), arXiv:1511.06581, eq. 9."""

    num_actions: int
    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = Torso(self.features, self.obs_scale)(obs)
        value = nn.Dense(1)(x)
        advantage = nn.Dense(self.num_actions)(x)
        return value + advantage - jnp.mean(advantage, axis=-1, keepdims=True)
