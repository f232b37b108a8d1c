"""Quantile network of IQN: the quantiles of the return at given levels."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdqn.networks.torso import MakeTorso


class ImplicitQuantile(nn.Module):
    """Quantiles `[..., A, K]` at the levels `[..., K]` or `[K]`, Dabney et al. (2018), arXiv:1806.06923, eq. 4.

    The output of the torso times `ReLU(dense(cos(π i τ)))`, `i = 0 ... num_cosines - 1`,
    followed by a linear layer.
    """

    torso: MakeTorso
    num_actions: int
    num_cosines: int = 64

    @nn.compact
    def __call__(self, obs: jax.Array, levels: jax.Array) -> jax.Array:
        x = self.torso()(obs)
        levels = jnp.broadcast_to(levels, (*x.shape[:-1], levels.shape[-1]))
        # [..., K, num_cosines]; leading axes are explicit because rank promotion may be an error.
        frequencies = jnp.pi * jnp.arange(self.num_cosines, dtype=jnp.float32)
        cosines = jnp.cos(levels[..., None] * frequencies.reshape(*(1,) * levels.ndim, -1))
        embedding = nn.relu(nn.Dense(x.shape[-1])(cosines))
        quantiles = nn.Dense(self.num_actions)(x[..., None, :] * embedding)
        return jnp.swapaxes(quantiles, -1, -2)
