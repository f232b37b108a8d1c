"""Packing of transitions into rows of 32-bit words."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp

WORD = 4
"""Bytes of a uint32."""


def pack(tree: Any, num_axes: int) -> jax.Array:
    """Encodes leaves `[*axes, ...]` of any dtypes, bit for bit, as words `[*axes, W]` uint32.

    `num_axes` is the number of leading axes that all leaves share. Each leaf starts at a
    new word; the rest of its last word is zero.
    """
    leaves = jax.tree.leaves(tree)
    return jnp.concatenate([_encode(leaf, leaf.shape[:num_axes]) for leaf in leaves], axis=-1)


def unpack(words: jax.Array, like: Any) -> Any:
    """Inverse of `pack`: words `[*axes, W]` as a tree like `like`, whose leaves have no leading axes."""
    leaves, structure = jax.tree.flatten(like)
    sizes = [-(-leaf.size * leaf.dtype.itemsize // WORD) for leaf in leaves]
    ends = list(itertools.accumulate(sizes))
    slices = [words[..., end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return structure.unflatten(
        [_decode(part, leaf) for part, leaf in zip(slices, leaves, strict=True)]
    )


def _encode(leaf: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    bits = leaf.astype(jnp.uint8) if leaf.dtype == bool else leaf
    if leaf.dtype.itemsize == WORD:
        return jax.lax.bitcast_convert_type(bits, jnp.uint32).reshape(*axes, -1)
    flat = jax.lax.bitcast_convert_type(bits, jnp.uint8).reshape(*axes, -1)
    padding = -flat.shape[-1] % WORD
    flat = jnp.pad(flat, [(0, 0)] * len(axes) + [(0, padding)])
    return jax.lax.bitcast_convert_type(flat.reshape(*axes, -1, WORD), jnp.uint32)


def _decode(words: jax.Array, like: Any) -> jax.Array:
    shape, itemsize = (*words.shape[:-1], *like.shape), like.dtype.itemsize
    if itemsize == WORD:
        return jax.lax.bitcast_convert_type(words, like.dtype).reshape(shape)
    flat = jax.lax.bitcast_convert_type(words, jnp.uint8)
    flat = flat.reshape(*words.shape[:-1], -1)[..., : like.size * itemsize]
    if like.dtype == bool:
        return flat.reshape(shape) != 0
    if itemsize > 1:
        flat = flat.reshape(*shape, itemsize)
    return jax.lax.bitcast_convert_type(flat, like.dtype).reshape(shape)
