"""What of a run can anybody read? Its policy: plain arrays, without a line of ours."""

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
"""The parameters, in the directory of a policy."""


def save_policy(path: Path, params: Any) -> None:
    """Writes parameters alone, as plain arrays, to `policy.npz` in the directory `path`.

    An array's name is its path in the tree after the number of its layer, which counts
    layers as they are applied: `00.params.Torso_0.Dense_0.kernel`.
    """
    file, arrays = io.BytesIO(), cast(Any, _plain_arrays(params))
    np.savez(file, **arrays)
    path.mkdir(exist_ok=True)
    write_bytes(path / POLICY, file.getvalue())


def load_policy(path: Path, template: Any) -> Any:
    """Parameters shaped like `template`; raises `RunError` where they are missing or of another network.

    Nothing in the file is executed, and no more memory is taken than `template` takes.
    """
    file, wanted = path / POLICY, _plain_arrays(template)
    try:
        with zipfile.ZipFile(file) as archive:
            found = {
                name.removesuffix(".npy"): _header(archive, name) for name in archive.namelist()
            }
        leaves.require_same_leaves(found, wanted)
        with np.load(file, allow_pickle=False) as arrays:
            saved = [arrays[name] for name in wanted]
    except Exception as error:
        raise RunError(
            f"{file} holds no policy that can be read: {leaves.line(error)}.", DAMAGED
        ) from None
    wanted_leaves, structure = jax.tree.flatten(template)
    same_kind = [
        x.view(leaves.words(leaf).dtype) for x, leaf in zip(saved, wanted_leaves, strict=True)
    ]
    return leaves.like(template, structure.unflatten(same_kind))


def _plain_arrays(params: Any) -> dict[str, np.ndarray]:
    """The leaves in their order, by the names `save_policy` tells of; bfloat16, which NumPy lacks, as its words."""
    found = jax.tree_util.tree_leaves_with_path(leaves.on_host(params))
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]
    layers = sorted({path.rpartition(".")[0] for path in paths}, key=networks.layer_order)
    numbers = [layers.index(path.rpartition(".")[0]) for path in paths]
    return {
        f"{number:02}.{path}": leaf.view(f"u{leaf.itemsize}") if leaf.dtype.kind == "V" else leaf
        for number, path, (_, leaf) in zip(numbers, paths, found, strict=True)
    }


def _header(archive: zipfile.ZipFile, name: str) -> jax.ShapeDtypeStruct:
    """What an array claims to be, before memory is taken for it."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise leaves.Damage(f"{name} is compressed")
    with archive.open(name) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise leaves.Damage(f"{name} is of another version of NumPy's format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    return jax.ShapeDtypeStruct(shape, dtype)
