"""How does a transition become one row of words? A draw then finds all of it in one place."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp

WORD = 4
"""Bytes of a uint32."""


def pack(tree: Any, num_axes: int) -> jax.Array:
    """Leaves `[*axes, ...]` of any dtypes, bit for bit, as words `[*axes, W]` uint32.

    `num_axes` leading axes are common to all leaves. What does not fill its last word is
    filled up with zero bytes.
    """
    leaves = jax.tree.leaves(tree)
    return jnp.concatenate([_words(leaf, leaf.shape[:num_axes]) for leaf in leaves], axis=-1)


def unpack(words: jax.Array, like: Any) -> Any:
    """`pack` undone: words `[*axes, W]` as a tree like `like`, whose leaves have no leading axes."""
    leaves, structure = jax.tree.flatten(like)
    sizes = [-(-leaf.size * _itemsize(leaf) // WORD) for leaf in leaves]
    ends = list(itertools.accumulate(sizes))
    parts = [words[..., end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return structure.unflatten(
        [_leaf(part, leaf) for part, leaf in zip(parts, leaves, strict=True)]
    )


def _words(leaf: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    bits = leaf.astype(jnp.uint8) if leaf.dtype == bool else leaf
    if _itemsize(leaf) == WORD:
        return jax.lax.bitcast_convert_type(bits, jnp.uint32).reshape(*axes, -1)
    flat = jax.lax.bitcast_convert_type(bits, jnp.uint8).reshape(*axes, -1)
    missing = -flat.shape[-1] % WORD
    flat = jnp.pad(flat, [(0, 0)] * len(axes) + [(0, missing)])
    return jax.lax.bitcast_convert_type(flat.reshape(*axes, -1, WORD), jnp.uint32)


def _leaf(words: jax.Array, like: Any) -> jax.Array:
    shape = *words.shape[:-1], *like.shape
    if _itemsize(like) == WORD:
        return jax.lax.bitcast_convert_type(words, like.dtype).reshape(shape)
    size = like.size * _itemsize(like)
    flat = jax.lax.bitcast_convert_type(words, jnp.uint8)
    flat = flat.reshape(*words.shape[:-1], -1)[..., :size]
    if like.dtype == bool:
        return flat.reshape(shape) != 0
    if _itemsize(like) > 1:
        flat = flat.reshape(*shape, _itemsize(like))
    return jax.lax.bitcast_convert_type(flat, like.dtype).reshape(shape)


def _itemsize(leaf: Any) -> int:
    return leaf.dtype.itemsize
