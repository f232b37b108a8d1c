"""Pytrees of arrays on the host: copies to and from devices, and comparison with a template."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class DamagedFile(Exception):
    """A saved file cannot be used; the message says why."""


def on_host(tree: Any) -> Any:
    """NumPy copies of all leaves, key data for keys; independent of devices and processes.

    Copies, since on a CPU a view would prevent the state from being donated.
    """
    return jax.tree.map(lambda leaf: np.array(key_data(leaf)), tree)


def to_devices(template: Any, host: Any) -> Any:
    """Inverse of `on_host`: puts the leaves of `host` where those of `template` are."""

    def put(leaf: jax.Array, saved: Any) -> jax.Array:
        saved = jax.device_put(saved, key_data(leaf).sharding)
        return jax.random.wrap_key_data(saved) if _is_key(leaf) else saved

    return jax.tree.map(put, template, host)


def key_data(leaf: jax.Array) -> jax.Array:
    """The data of a key; any other array unchanged."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def describe(error: Exception) -> str:
    """The message of an exception in one line, with its type unless it is a `DamagedFile`."""
    line = re.split(r"\n| \[tensorstore_spec", str(error).strip())[0].rstrip(".")
    return line if isinstance(error, DamagedFile) else f"{type(error).__name__}: {line}"


def require_same_leaves(found: Any, template: Any) -> None:
    """Raises `DamagedFile` naming the differences in names, dtypes and shapes.

    Orbax would cast other dtypes, and report other shapes as missing.
    """
    if found is None:
        raise DamagedFile("its metadata is damaged")
    saved, expected = _leaves(found), _leaves(template)
    differences = [
        f"{name} is {saved.get(name, 'missing')}, not {expected.get(name, 'expected')}"
        for name in sorted(saved.keys() | expected.keys())
        if saved.get(name) != expected.get(name)
    ]
    if differences:
        shown = "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")
        raise DamagedFile(f"it was saved by another program: {shown}")


def _leaves(tree: Any) -> dict[str, str]:
    """Name -> dtype and shape; of a key those of its data, which is what Orbax stores."""

    def dtype_and_shape(leaf: Any) -> str:
        leaf = key_data(leaf) if isinstance(leaf, jax.Array) else leaf
        return f"{leaf.dtype}{list(leaf.shape)}"

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): dtype_and_shape(leaf)
        for path, leaf in leaves
    }
