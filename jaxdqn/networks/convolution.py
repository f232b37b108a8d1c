"""Convolution as one matrix product, which XLA's CPU backend computes several times as fast."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def general() -> Callable[..., jax.Array]:
    """`product` on a CPU, else XLA's own convolution; an argument of `flax.linen.Conv`."""
    on_cpu = jax.default_backend() == "cpu"
    return product if on_cpu else jax.lax.conv_general_dilated


def product(x: jax.Array, kernel: jax.Array, *args: Any, **options: Any) -> jax.Array:
    """`x [B, H, W, C]` convolved with `kernel [h, w, C, F]`, stride 1, no padding: `[B, H-h+1, W-w+1, F]`.

    The shifted copies of `x` are joined along the channels and multiplied with the flattened
    kernel. Equal to `jax.lax.conv_general_dilated` up to rounding. Other arguments of it are
    ignored, so use it for this kind of convolution only.
    """
    del args, options
    height, width = (n - k + 1 for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True))
    shifted = [
        x[:, i : i + height, j : j + width]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
