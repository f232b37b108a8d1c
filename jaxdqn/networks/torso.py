"""Torsos: from observations to features, `[..., *obs] -> [..., features[-1]]`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdqn.networks import convolution

Params = Any
"""A pytree of arrays, as returned by `init` and accepted by `apply`."""
Activation = Callable[[jax.Array], jax.Array]
"""Applied after a layer, `[..., features] -> [..., features]`; may create layers itself."""
MakeTorso = Callable[..., nn.Module]
"""`(*, name) -> module`: a Flax module class or a `functools.partial` of one.

A network calls it with `name="torso"` in its own `nn.compact` method, so that it owns the parameters."""


def norm_relu(x: jax.Array) -> jax.Array:
    """LayerNorm, Ba et al. (2016), arXiv:1607.06450, then ReLU: an `Activation` with parameters."""
    return nn.relu(nn.LayerNorm()(x))


def mlp(
    features: Sequence[int] = (64, 64),
    obs_scale: float | Sequence[float] = 1.0,
    activation: Activation = nn.relu,
    obs_ndim: int = 1,
) -> MakeTorso:
    """Hidden layers of the sizes `features`, applied to `obs * obs_scale`; observations have `obs_ndim` axes.

    The fixed scale (a number, or one for each number of an observation) is part of the network, not
    of the environment: stored and logged observations stay in the units of the environment.
    """
    return partial(Torso, features, obs_scale, activation, obs_ndim)


def conv(
    channels: Sequence[int] = (16,),
    features: Sequence[int] = (128,),
    activation: Activation = nn.relu,
    obs_scale: float | Sequence[float] = 1.0,
) -> MakeTorso:
    """Convolutions of 3 x 3 without padding on observations `[H, W, C]`, then hidden layers.

    `obs_scale` is a number or one for each channel. The defaults are the network of MinAtar,
    Young & Tian (2019), arXiv:1903.03176.
    """
    return partial(ConvTorso, channels, features, activation, obs_scale)


class Torso(nn.Module):
    """The module of `mlp`."""

    features: Sequence[int] = (64, 64)
    obs_scale: float | Sequence[float] = 1.0
    activation: Activation = nn.relu
    obs_ndim: int = 1

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        obs = obs.reshape(*obs.shape[: obs.ndim - self.obs_ndim], -1)
        x = obs.astype(jnp.float32) * jnp.broadcast_to(jnp.asarray(self.obs_scale), obs.shape)
        for width in self.features:
            x = self.activation(nn.Dense(width)(x))
        return x


class ConvTorso(nn.Module):
    """The module of `conv`."""

    channels: Sequence[int] = (16,)
    features: Sequence[int] = (128,)
    activation: Activation = nn.relu
    obs_scale: float | Sequence[float] = 1.0

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        x = obs.astype(jnp.float32) * jnp.broadcast_to(jnp.asarray(self.obs_scale), obs.shape)
        for width in self.channels:
            layer = nn.Conv(
                width, (3, 3), padding="VALID", conv_general_dilated=convolution.general()
            )
            x = self.activation(layer(x))
        x = x.reshape(*x.shape[:-3], -1)
        for width in self.features:
            x = self.activation(nn.Dense(width)(x))
        return x
