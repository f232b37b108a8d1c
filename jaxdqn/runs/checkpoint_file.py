"""One checkpoint on the disk, with checksums; the only use of Orbax, which does not detect a flipped bit."""

import hashlib
import json
import logging
import math
import os
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs import leaves, processes
from jaxdqn.runs.logs import Row

READ = "_read_array_index_and_device_put"
"""The coroutine of Orbax that reads an array."""
MOST_METADATA, ROW_BYTES = 10_000_000, 2_000
"""Bytes at most of the metadata of a checkpoint: in general, and for each agent and chunk."""


def save(path: Path, host: Any, rows: list[Row]) -> None:
    """Saves the rows `host [S / P, ...]` of each of P processes in one checkpoint; all processes must call it."""
    saved = {"state": host, "sha256": _checksums(host)}
    if processes.count() > 1:  # With one, a copy to a device would wait for the chunk there.
        sharding = _rows_of_processes()
        saved = jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), saved)
    metadata = cast(Any, {"rows": rows, "sha256": _checksum(rows)})
    with _shared_by(*range(processes.count())):
        ocp.save(str(path), saved, overwrite=True, custom_metadata=metadata)


def load(
    path: Path, template: Any, chunk: int, check: Callable[[Any], list[Row]]
) -> tuple[Any, list[Row]]:
    """NumPy arrays `[S / P, ...]`, the rows of this process, and the rows of the log, after `chunk` chunks.

    `template` has leaves of the same structure, dtypes and shapes; `check` raises for invalid rows and
    returns the others. Raises `DamagedFile`, or exceptions of Orbax and `check`.
    """
    _require_regular_files(path, template, chunk)
    metadata: Any = ocp.metadata(str(path))
    host, checksums = _read(path, metadata.metadata, template)
    rows = check(metadata.custom_metadata["rows"])
    if metadata.custom_metadata["sha256"] != _checksum(rows):
        raise leaves.DamagedFile("the checksum of its rows does not match")
    if not np.array_equal(checksums, _checksums(host)):
        raise leaves.DamagedFile("its checksum does not match")
    if [row["chunk"] for row in rows] != list(range(1, chunk + 1)):
        raise leaves.DamagedFile("its rows are those of other chunks")
    return host, rows


def silence_libraries() -> None:
    """Disables the logs of Orbax and asyncio, which repeat each error in tens of lines."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", f"coroutine '{READ}' was never awaited", RuntimeWarning)
    sys.unraisablehook = _ignore_other_reads


def _ignore_other_reads(unraisable: "sys.UnraisableHookArgs") -> None:
    """A failed read closes the event loop of Orbax while its other reads are still running."""
    closed = str(unraisable.exc_value) == "Event loop is closed"
    if not closed and getattr(unraisable.object, "__name__", "") != READ:
        sys.__unraisablehook__(unraisable)


def _shared_by(*members: int) -> ocp.Context:
    """Orbax options for what the processes `members` do together, the first of which writes the metadata.

    With a set of processes, Orbax lets them wait for each other by the service of
    `jax.distributed`, and not by collectives, which would interfere with those of the training.
    """
    options = ocp.options.MultiprocessingOptions(
        primary_host=members[0],
        active_processes=set(members),
        barrier_sync_key_prefix="-".join(map(str, members[:2])),
    )
    return ocp.Context(multiprocessing_options=options)


def _rows_of_processes() -> NamedSharding:
    """Leaves `[S, ...]` in the memory of the hosts, a part of the rows in each process."""
    hosts = {device.process_index: device for device in reversed(jax.devices("cpu"))}
    mesh = Mesh(np.array([hosts[k] for k in sorted(hosts)]), "process")
    return NamedSharding(mesh, P("process"))


def _require_regular_files(path: Path, template: Any, chunk: int) -> None:
    """Raises `DamagedFile` for a file that Orbax might wait for, or whose size the state does not explain."""
    state = jax.tree.leaves(jax.tree.map(leaves.key_data, template))
    num_agents = max((x.shape[0] for x in state if x.shape), default=1)
    most = MOST_METADATA + ROW_BYTES * num_agents * chunk + 2 * sum(x.nbytes for x in state)
    for folder, names, file_names in os.walk(path, onerror=_raise):
        for file in (Path(folder, name) for name in (*names, *file_names)):
            status = file.lstat()
            if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
                raise leaves.DamagedFile(f"{file} is neither a file nor a directory")
            if status.st_size > most:
                raise leaves.DamagedFile(f"{file} has more than {most:,} bytes")


def _raise(error: OSError) -> None:
    raise error


def _read(path: Path, found: Any, template: Any) -> tuple[Any, np.ndarray]:
    """NumPy arrays of the checkpoint at `path`, the rows of this process, and their checksums.

    Checks its metadata `found` against `template` first.
    """
    leaves.require_same_leaves((found or {}).get("state"), template)
    for leaf in jax.tree.leaves(found):
        # The reader allocates whole storage chunks, whatever the shape of the array.
        chunks = leaf.storage_metadata.chunk_shape, leaf.storage_metadata.write_shape
        for chunk in filter(None, chunks):
            if math.prod(chunk) > math.prod(leaf.shape):
                raise leaves.DamagedFile(f"a chunk {chunk} exceeds its array {leaf.shape}")
    sharding, arrays = _rows_of_processes(), jax.tree.map(leaves.key_data, template)
    num_rows = len(jax.tree.leaves(arrays)[0])
    wanted = {"state": arrays, "sha256": np.empty((num_rows, 32), np.uint8)}
    wanted = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), wanted
    )
    with _shared_by(processes.index()):  # The others may find damage, and not load it.
        loaded = ocp.load(str(path), wanted)
    own = jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), loaded)
    return own["state"], own["sha256"]


def _checksum(rows: list[Row]) -> str:
    """SHA-256 of the rows of the log."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _checksums(host: Any) -> np.ndarray:
    """`[S, 32]` uint8: SHA-256 of the name, dtype, shape and contents of all leaves, of each row."""
    named = [
        (f"{jax.tree_util.keystr(path)}{leaf.dtype}{leaf.shape[1:]}".encode(), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(host)
    ]

    def of_row(k: int) -> bytes:
        total = hashlib.sha256()
        for name, leaf in named:
            total.update(name)
            total.update(leaf[k].reshape(-1).view(np.uint8))
        return total.digest()

    digests = b"".join(of_row(k) for k in range(len(named[0][1])))
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)
