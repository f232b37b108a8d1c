"""Distributions of returns as histograms and quantiles, and the losses between them, for batches `[B]`."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.config import ConfigError


def support(v_min: float, v_max: float, num_atoms: int) -> jax.Array:
    """`num_atoms` evenly spaced values `[Z]` from `v_min` to `v_max`.

    Raises `ConfigError` if `num_atoms` is below 2 or `v_min` is not below `v_max`.
    """
    if num_atoms < 2:
        raise ConfigError("num_atoms", num_atoms, "must be at least 2.")
    if not v_min < v_max:
        raise ConfigError("v_min", v_min, f"must be below v_max ({v_max}).")
    return jnp.asarray(np.linspace(v_min, v_max, num_atoms, dtype=np.float32))


def project(atoms: jax.Array, probabilities: jax.Array, support: jax.Array) -> jax.Array:
    """Projects masses `probabilities [B, Z]` at `atoms [B, Z]` onto `support [Z]`.

    Each mass is split between the two nearest atoms of the support by linear interpolation, which
    preserves the total mass, and inside the support the mean. Atoms beyond the support are moved
    to its nearest end. Bellemare et al. (2017), arXiv:1707.06887, eq. 7.
    """
    spacing = support[1] - support[0]
    atoms = jnp.clip(atoms, support[0], support[-1])
    # Weight of atom j at support value i: a triangle that falls to 0 at the neighbours of i.
    distance = jnp.abs(atoms[:, None, :] - support[None, :, None]) / spacing
    return jnp.einsum("bij,bj->bi", jnp.clip(1.0 - distance, 0.0, 1.0), probabilities)


def gaussian_histogram(value: jax.Array, support: jax.Array, sigma: float | jax.Array) -> jax.Array:
    """Masses `[B, Z]` of normal distributions with means `value [B]` in bins centred on `support [Z]`.

    The distribution is truncated at the outer edges of the bins and renormalised; means beyond
    the support are clipped to it. For `sigma` → 0 one bin receives all mass, or two bins one
    half each if the mean is on an edge. Imani & White (2018); arXiv:2403.03950, section 3.1.
    """
    spacing = support[1] - support[0]
    edges = jnp.append(support - spacing / 2, support[-1] + spacing / 2)
    value = jnp.clip(value, support[0], support[-1])
    below = jax.scipy.special.ndtr((edges[None] - value[:, None]) / sigma)
    masses = below[:, 1:] - below[:, :-1]
    return masses / jnp.sum(masses, axis=-1, keepdims=True)


def quantile_huber(
    predicted: jax.Array, level: jax.Array, target: jax.Array, kappa: float | jax.Array
) -> jax.Array:
    """`[B]`: `Σ_i mean_j |τ_i - 1{u_ij < 0}| L_κ(u_ij) / κ`, with `u_ij = target_j - predicted_i`.

    `predicted [B, K]` are quantiles at the levels `level [B, K]` (τ), `target [B, J]` are samples,
    and `L_κ` is the Huber loss. Dabney et al. (2018), arXiv:1710.10044, eq. 9 and 10. The division
    by κ makes the quantile loss the limit κ → 0.
    """
    constant = jax.lax.stop_gradient(predicted)
    error = target[:, None, :] - constant[:, :, None]
    clipped = jnp.clip(error, -kappa, kappa)
    # `|τ - 1{u < 0}|` times `clipped`, the derivative of the Huber loss `clipped (error - clipped / 2)`.
    slope = jnp.where(error < 0, 1 - level[:, :, None], level[:, :, None]) * clipped
    value = jnp.sum(slope * (error - clipped / 2), axis=2)
    # Adds zero; its derivative is that of the loss in closed form, faster than automatic differentiation.
    value -= jnp.sum(slope, axis=2) * (predicted - constant)
    return jnp.sum(value, axis=1) / (kappa * target.shape[1])
