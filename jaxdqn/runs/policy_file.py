"""Policy files: the parameters of a network as plain NumPy arrays in `policy.npz`."""

import io
import zipfile
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from jaxdqn import networks
from jaxdqn.runs import leaves
from jaxdqn.runs.directory import write_bytes
from jaxdqn.runs.errors import DAMAGED, RunError

POLICY = "policy.npz"
"""Name of the file in the directory of a policy."""


def save_policy(path: Path, params: Any) -> None:
    """Writes `params` as plain arrays to `policy.npz` in the directory `path`.

    The name of an array is the number of its layer, in the order in which the layers are
    applied, followed by its path in the tree: `00.params.Torso_0.Dense_0.kernel`.
    """
    file, arrays = io.BytesIO(), cast(Any, _plain_arrays(params))
    np.savez(file, **arrays)
    path.mkdir(exist_ok=True)
    write_bytes(path / POLICY, file.getvalue())


def load_policy(path: Path, template: Any) -> Any:
    """Parameters from the directory `path`, with the structure, dtypes and shapes of `template`.

    Raises `RunError` if the file is missing, damaged or of another network. Executes nothing
    in the file, and allocates no more memory than `template` takes.
    """
    file, expected = path / POLICY, _plain_arrays(template)
    try:
        with zipfile.ZipFile(file) as archive:
            found = {
                name.removesuffix(".npy"): _header(archive, name) for name in archive.namelist()
            }
        leaves.require_same_leaves(found, expected)
        with np.load(file, allow_pickle=False) as arrays:
            saved = [arrays[name] for name in expected]
    except Exception as error:
        raise RunError(
            f"{file} must be a policy of this network: {leaves.describe(error)}.", DAMAGED
        ) from None
    template_leaves, structure = jax.tree.flatten(template)
    typed = [
        x.view(leaves.key_data(leaf).dtype) for x, leaf in zip(saved, template_leaves, strict=True)
    ]
    return leaves.to_devices(template, structure.unflatten(typed))


def _plain_arrays(params: Any) -> dict[str, np.ndarray]:
    """The leaves by name, in the order of the tree; bfloat16, which NumPy lacks, as unsigned integers."""
    found = jax.tree_util.tree_leaves_with_path(leaves.on_host(params))
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]
    layers = sorted({path.rpartition(".")[0] for path in paths}, key=networks.layer_order)
    numbers = [layers.index(path.rpartition(".")[0]) for path in paths]
    return {
        f"{number:02}.{path}": leaf.view(f"u{leaf.itemsize}") if leaf.dtype.kind == "V" else leaf
        for number, path, (_, leaf) in zip(numbers, paths, found, strict=True)
    }


def _header(archive: zipfile.ZipFile, name: str) -> jax.ShapeDtypeStruct:
    """Shape and dtype in the header of an array, read before memory is allocated for its data."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise leaves.DamagedFile(f"{name} is compressed")
    with archive.open(name) as array:
        if np.lib.format.read_magic(array) != (1, 0):
            raise leaves.DamagedFile(f"{name} has another version of the NumPy format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(array)
    return jax.ShapeDtypeStruct(shape, dtype)
