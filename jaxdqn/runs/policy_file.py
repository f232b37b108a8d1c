"""Policy files: the parameters of a network, for all seeds of a run, as plain NumPy arrays."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.agents import Agent
from jaxdqn.networks import Params
from jaxdqn.policies import QValues
from jaxdqn.runs import files, leaves
from jaxdqn.runs.directory import write_bytes
from jaxdqn.runs.errors import DAMAGED, RunError

FINAL, BEST = "final.npz", "best.npz"
"""Parameters after the last update, and those of the best evaluation, which is biased upwards."""
HEADERS, HEADERS_PER_ARRAY = 1_000, 2_000
"""Bytes at most of a file besides its arrays."""

SNAPSHOT = "{}-steps.npz"
"""Parameters of the first seed after that many environment steps, to show how learning went."""


class Network(NamedTuple):
    """A network, traced once for any number of its files."""

    params: Params
    """Shapes and dtypes of the parameters of one seed."""
    order: list[str]
    """Paths of the layers, in the order in which they are applied."""


def network(agent: Agent, obs: jax.ShapeDtypeStruct) -> Network:
    """The network of `agent` for observations like `obs`, a batch; nothing is computed."""
    params = jax.eval_shape(
        lambda key: agent.init(key, jnp.zeros(obs.shape, obs.dtype)), jax.random.key(0)
    )
    return Network(params, layer_order(agent.q_values, params, obs))


def save(path: Path, params: Params, order: list[str]) -> None:
    """Writes `params`, whose leaves are `[S, ...]` for S seeds, as plain arrays to the file `path`.

    The name of an array is the number of its layer in `order`, followed by its path in the tree:
    `00.params.torso.Dense_0.kernel`. Layers that are not applied, such as noise, come last.
    """
    file = io.BytesIO()
    np.savez(file, **cast(Any, _plain_arrays(params, order)))
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, file.getvalue())


def load(path: Path, network: Network, num_seeds: int) -> Params:
    """Parameters of all seeds, leaves `[S, ...]`, from the file `path`.

    Executes nothing in the file, and allocates no more memory than they take, nor more than the file
    has bytes. Raises `RunError` if the file is missing, damaged or of another network.
    """
    template = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), network.params
    )
    expected = _plain_shapes(template, network.order)
    size = sum(x.size * x.dtype.itemsize for x in expected.values())
    try:
        with files.regular(path, size + HEADERS + HEADERS_PER_ARRAY * len(expected)) as file:
            if os.fstat(file.fileno()).st_size < size:
                raise leaves.DamagedFile(f"its arrays take {size:,} bytes")
            with zipfile.ZipFile(file) as archive:
                found = {
                    name.removesuffix(".npy"): _header(archive, name) for name in archive.namelist()
                }
            leaves.require_same_leaves(found, expected)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                saved = [arrays[name] for name in expected]
    except RunError:
        raise
    except Exception as error:
        raise RunError(
            f"{path} must be a policy of this network: {leaves.describe(error)}.", DAMAGED
        ) from None
    template_leaves, structure = jax.tree.flatten(template)
    typed = [
        jnp.asarray(x.view(leaf.dtype)) for x, leaf in zip(saved, template_leaves, strict=True)
    ]
    return structure.unflatten(typed)


def layer_order(q_values: QValues, params: Params, obs: jax.ShapeDtypeStruct) -> list[str]:
    """Paths of the layers of `params`, such as `params.Dense_0`, in the order of their first use.

    Found in the traced program, so that it holds for any network.
    """
    program = jax.make_jaxpr(q_values)(params, obs).jaxpr
    paths = _paths(params)
    used = _first_uses(program, dict(zip(program.invars, paths, strict=False)))
    return list(dict.fromkeys(path.rpartition(".")[0] for path in [*used, *paths]))


def _first_uses(program: Any, names: dict[Any, str]) -> list[str]:
    """The values of `names`, by variable of a jaxpr, in the order in which its equations read them."""
    found: list[str] = []
    for equation in program.eqns:
        read = [None if hasattr(x, "val") else names.get(x) for x in equation.invars]
        inner = [getattr(x, "jaxpr", x) for x in equation.params.values()]
        inner = [x for x in inner if hasattr(x, "eqns") and len(x.invars) == len(read)]
        for program_ in inner:
            inputs = zip(program_.invars, read, strict=True)
            found += _first_uses(program_, {x: name for x, name in inputs if name})
        # A cast or a transpose of a parameter stands for the parameter.
        if len(equation.outvars) == 1 and equation.primitive.name in VIEWS and read[0]:
            names[equation.outvars[0]] = read[0]
        else:
            found += [name for name in read if name]
    return found


VIEWS = "reshape", "transpose", "convert_element_type", "broadcast_in_dim", "squeeze", "slice"


def _paths(params: Params) -> list[str]:
    found = jax.tree_util.tree_leaves_with_path(params)
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]


def _names(params: Params, order: list[str]) -> list[str]:
    """The names of the leaves, in the order of the tree."""
    return [f"{order.index(path.rpartition('.')[0]):02}.{path}" for path in _paths(params)]


def _plain_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype in the file: unsigned integers for bfloat16, which NumPy lacks."""
    return np.dtype(f"u{dtype.itemsize}") if dtype.kind == "V" else dtype


def _plain_arrays(params: Params, order: list[str]) -> dict[str, np.ndarray]:
    """The leaves by name, as they are saved."""
    arrays = jax.tree.leaves(jax.device_get(params))
    plain = (leaf.view(_plain_dtype(leaf.dtype)) for leaf in arrays)
    return dict(zip(_names(params, order), plain, strict=True))


def _plain_shapes(template: Params, order: list[str]) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of `_plain_arrays`."""
    shapes = (
        jax.ShapeDtypeStruct(x.shape, _plain_dtype(x.dtype)) for x in jax.tree.leaves(template)
    )
    return dict(zip(_names(template, order), shapes, strict=True))


def _header(archive: zipfile.ZipFile, name: str) -> jax.ShapeDtypeStruct:
    """Shape and dtype in the header of an array, read before memory is allocated for its data."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise leaves.DamagedFile(f"{name} is compressed")
    with archive.open(name) as array:
        if np.lib.format.read_magic(array) != (1, 0):
            raise leaves.DamagedFile(f"{name} has another version of the NumPy format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(array)
    return jax.ShapeDtypeStruct(shape, dtype)
