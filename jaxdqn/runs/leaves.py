"""Pytrees of arrays on the host: copies to and from devices, and comparison with a template."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding


class DamagedFile(Exception):
    """A saved file cannot be used; the message says why."""


def on_host(tree: Any) -> Any:
    """NumPy copies of all leaves, key data for keys, of those rows that are on devices of this process.

    Copies, since on a CPU a view would prevent the state from being donated.
    """

    def copy(leaf: jax.Array) -> np.ndarray:
        rows = sorted(key_data(leaf).addressable_shards, key=lambda x: x.index[0].start or 0)
        return np.concatenate([np.asarray(x.data) for x in rows])

    return jax.tree.map(copy, tree)


def to_devices(template: Any, host: Any) -> Any:
    """Inverse of `on_host`: puts the leaves of `host` where those of `template` are."""

    def restore(leaf: jax.Array, saved: np.ndarray) -> jax.Array:
        sharding = key_data(leaf).sharding
        put = jax.make_array_from_process_local_data(sharding, saved)
        return jax.random.wrap_key_data(put) if _is_key(leaf) else put

    return jax.tree.map(restore, template, host)


def put(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """`array`, which every process has, on the devices of all processes."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


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
