"""How far is one distribution of returns from another? Histograms and quantiles, batches `[B]`."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.config import ConfigError


def support(v_min: float, v_max: float, num_atoms: int) -> jax.Array:
    """`num_atoms >= 2` values `[Z]`, evenly from `v_min` to `v_max`; raises `ConfigError`."""
    if num_atoms < 2:
        raise ConfigError("num_atoms", num_atoms, "must be at least 2.")
    if not v_min < v_max:
        raise ConfigError("v_min", v_min, f"must be below v_max ({v_max}).")
    return jnp.asarray(np.linspace(v_min, v_max, num_atoms, dtype=np.float32))


def project(atoms: jax.Array, probabilities: jax.Array, support: jax.Array) -> jax.Array:
    """Moves masses `probabilities [B, Z]` at `atoms [B, Z]` onto `support [Z]`.

    Each goes to its two neighbours, nearer ones taking more, so that mass is kept, and
    the mean too inside the support; outside, it goes to the end.
    Bellemare et al. (2017), arXiv:1707.06887, eq. 7.
    """
    spacing = support[1] - support[0]
    atoms = jnp.clip(atoms, support[0], support[-1])
    # Share of atom j that belongs to support i: a triangle of one spacing to either side.
    distance = jnp.abs(atoms[:, None, :] - support[None, :, None]) / spacing
    return jnp.einsum("bij,bj->bi", jnp.clip(1.0 - distance, 0.0, 1.0), probabilities)


def gaussian_histogram(value: jax.Array, support: jax.Array, sigma: float | jax.Array) -> jax.Array:
    """Masses `[B, Z]`, in bins centred on `support [Z]`, of normals at `value [B]`.

    A normal is cut at the outer edges of the bins and what is left adds up to one;
    a value beyond the support counts as its end. `sigma` → 0 puts all into one bin, or
    halves on an edge. Imani & White (2018); arXiv:2403.03950, section 3.1.
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
    """`Σ_i mean_j |τ_i - 1{u_ij < 0}| L_κ(u_ij) / κ`, `u_ij = target_j - predicted_i`: `[B]`.

    `predicted [B, K]` are quantiles at the levels τ `level [B, K]`, `target [B, J]`
    samples. `L_κ` is Huber's loss. Dabney et al. (2018), arXiv:1710.10044, eq. 9, 10;
    divided by κ, so that κ → 0 is the quantile loss.
    """
    error = target[:, None, :] - predicted[:, :, None]
    distance = jnp.abs(error)
    huber = jnp.where(distance <= kappa, error**2 / 2, kappa * (distance - kappa / 2))
    weight = jnp.abs(level[:, :, None] - (error < 0))
    return jnp.sum(jnp.mean(weight * huber / kappa, axis=2), axis=1)
