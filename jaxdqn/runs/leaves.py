"""Which arrays does a tree hold, on the host, and are they those that were asked for?"""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Damage(Exception):
    """What is wrong with a saved file, in words for a person."""


def on_host(tree: Any) -> Any:
    """NumPy's copies, of keys their words: what is saved says nothing of devices and processes.

    Copies, since on a CPU a view would keep the state from being donated.
    """
    return jax.tree.map(lambda leaf: np.array(words(leaf)), tree)


def like(template: Any, host: Any) -> Any:
    """What `on_host` made of a tree, again on the devices of `template`."""

    def put(leaf: jax.Array, saved: Any) -> jax.Array:
        saved = jax.device_put(saved, words(leaf).sharding)
        return jax.random.wrap_key_data(saved) if _is_key(leaf) else saved

    return jax.tree.map(put, template, host)


def words(leaf: jax.Array) -> jax.Array:
    """Of a key its words; any other array as it is."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def line(error: Exception) -> str:
    """What an exception of ours says; of others also which it is."""
    line = re.split(r"\n| \[tensorstore_spec", str(error).strip())[0].rstrip(".")
    return line if isinstance(error, Damage) else f"{type(error).__name__}: {line}"


def require_same_leaves(found: Any, template: Any) -> None:
    """Raises `Damage` that names what differs. (Orbax casts another dtype, and calls another shape missing.)"""
    if found is None:
        raise Damage("its metadata is damaged")
    saved, wanted = _leaves(found), _leaves(template)
    differences = [
        f"{name} is {saved.get(name, 'missing')}, not {wanted.get(name, 'wanted')}"
        for name in sorted(saved.keys() | wanted.keys())
        if saved.get(name) != wanted.get(name)
    ]
    if differences:
        shown = "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")
        raise Damage(f"it was saved by another program, {shown}")


def _leaves(tree: Any) -> dict[str, str]:
    """Name -> dtype and shape. Of a random key, those of its words: so Orbax stores it."""

    def describe(leaf: Any) -> str:
        leaf = words(leaf) if isinstance(leaf, jax.Array) else leaf
        return f"{leaf.dtype}{list(leaf.shape)}"

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): describe(leaf)
        for path, leaf in leaves
    }
