"""Quantile network of IQN: the quantiles of the return at given levels."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdqn.networks import heads
from jaxdqn.networks.torso import MakeTorso


class ImplicitQuantile(nn.Module):
    """Quantiles `[..., A, K]` at the levels `[..., K]` or `[K]`, Dabney et al. (2018), arXiv:1806.06923, eq. 4.

    The output of the torso times `ReLU(dense(cos(π i τ)))`, `i = 0 ... num_cosines - 1`, then the
    head. That of the paper is `heads.hidden(512)`.
    """

    torso: MakeTorso
    num_actions: int
    head: heads.Head = heads.linear
    num_cosines: int = 64

    @nn.compact
    def __call__(self, obs: jax.Array, levels: jax.Array) -> jax.Array:
        x = self.torso(name="torso")(obs)
        # Levels `[K]` that all observations share are embedded once.
        levels = levels.reshape(*(1,) * (x.ndim - levels.ndim), *levels.shape)
        # [..., K, num_cosines]; leading axes are explicit because rank promotion may be an error.
        frequencies = jnp.pi * jnp.arange(self.num_cosines, dtype=jnp.float32)
        cosines = jnp.cos(levels[..., None] * frequencies.reshape(*(1,) * levels.ndim, -1))
        embedding = nn.relu(nn.Dense(x.shape[-1])(cosines))
        quantiles = self.head(x[..., None, :] * embedding, self.num_actions, None)
        return jnp.swapaxes(quantiles, -1, -2)
