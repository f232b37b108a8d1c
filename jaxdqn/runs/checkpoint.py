"""Checkpoints with checksums: saved in the background, verified when restored; the only use of Orbax."""

import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import stat
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs import directory, leaves, processes
from jaxdqn.runs.errors import DAMAGED, PROCESS_EXITED, RunError
from jaxdqn.runs.logs import Row

UNFINISHED = ".orbax-checkpoint-tmp"
"""Part of the name of a directory that is being written or deleted."""
READ = "_read_array_index_and_device_put"
"""The coroutine of Orbax that reads an array."""
MOST_METADATA, ROW_BYTES = 10_000_000, 2_000
"""Bytes at most of the metadata of a checkpoint: in general, and for each agent and chunk."""


class Checkpoints:
    """The checkpoints of one run, each in a directory named after the number of its chunk.

    Keeps the latest `keep` checkpoints and the best one. `save` copies the state, which may
    be donated immediately afterwards, and a thread writes the copy, so that training does
    not wait for the disk. Each checkpoint has a checksum: Orbax does not detect a flipped
    bit. (`CheckpointManager` of Orbax raises in its constructor if any checkpoint is damaged.)
    """

    def __init__(self, path: Path, keep: int, score: Callable[[Row], float]) -> None:
        """`score(row)` is the score of the checkpoint saved after the chunk of `row`; higher is better."""
        _silence_libraries()
        self._path = path.absolute()
        self._keep = keep
        self._score = score
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] = self._writer.submit(lambda: None)
        self._path.mkdir(exist_ok=True)
        if processes.index() == 0:
            for unfinished in self._path.glob(f"*{UNFINISHED}*"):
                directory.delete(unfinished)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *traceback: object
    ) -> None:
        """Waits for the pending save; if an exception is being raised, an `OSError` of it is dropped."""
        if isinstance(error, RunError) and error.exit_code == PROCESS_EXITED:
            return  # The save waits for that process.
        with contextlib.suppress(OSError) if kind else contextlib.nullcontext():
            self.wait()
        self._writer.shutdown()

    def chunks(self, most: int | None = None) -> list[int]:
        """Sorted numbers, at most `most`, of the chunks that have a complete checkpoint."""
        found = (int(path.name) for path in self._path.iterdir() if path.name.isdecimal())
        return sorted(chunk for chunk in found if most is None or chunk <= most)

    def save(self, chunk: int, state: Any, rows: list[Row]) -> None:
        """Starts to save `state` and the `rows` of the log so far.

        The leaves of `state` are `jax.Array`s `[R, ...]`, whose rows may be on several devices and processes.
        Does nothing while an earlier save is pending: a slow disk gets fewer checkpoints and
        does not delay training. Call `wait` first if this checkpoint must be saved. Several processes
        save together, at once. Raises `OSError` if the earlier save, or this one, failed.
        """
        if processes.count() > 1:
            # Orbax uses collectives, which must not be mixed with those of the next chunk.
            self._write(chunk, leaves.on_host(state), rows)
        elif self._pending.done():
            self.wait()
            self._pending = self._writer.submit(
                self._write, chunk, leaves.on_host(state), list(rows)
            )

    def wait(self) -> None:
        """Waits for the pending save; raises `OSError` if it failed."""
        self._pending.result()

    def restore(
        self,
        template: Any,
        most: int | None = None,
        check: Callable[[Any], list[Row]] = list,
    ) -> tuple[int, Any, list[Row]]:
        """Chunk, state and rows of the newest usable checkpoint whose chunk is at most `most`.

        The state has the structure, dtypes, shapes and shardings of `template`; `check` raises for
        invalid rows and returns the others. A checkpoint that is damaged or has other leaves is
        skipped with a warning. Raises `RunError` if none is usable.
        """
        skipped = []
        for chunk in reversed(self.chunks(most)):
            path = self._path / str(chunk)
            try:
                _require_regular_files(path, template, chunk)
                metadata: Any = ocp.metadata(str(path))
                host, checksums = _load(path, metadata.metadata, template)
                rows = check(metadata.custom_metadata["rows"])
                if metadata.custom_metadata["sha256"] != _checksum(rows):
                    raise leaves.DamagedFile("the checksum of its rows does not match")
                if not np.array_equal(checksums, _checksums(host)):
                    raise leaves.DamagedFile("its checksum does not match")
                if [row["chunk"] for row in rows] != list(range(1, chunk + 1)):
                    raise leaves.DamagedFile("its rows are those of other chunks")
            except Exception as error:
                skipped.append(f"{path} cannot be used: {leaves.describe(error)}")
                continue
            for reason in skipped:
                print(f"warning: {reason}; continuing after chunk {chunk}.", file=sys.stderr)
            return chunk, leaves.to_devices(template, host), rows
        tried = f"{len(skipped)} tried; {skipped[0]}" if skipped else "it is empty"
        raise RunError(f"{self._path} holds no usable checkpoint: {tried}.", DAMAGED)

    def _write(self, chunk: int, host: Any, rows: list[Row]) -> None:
        """Saves a checkpoint, then deletes those that need not be kept."""
        path, first = self._path / str(chunk), processes.index() == 0
        try:
            if first and (path.is_symlink() or not path.is_dir()):  # Orbax would follow a link.
                directory.delete(path)
            with processes.others_present():
                _save(path, host, rows)
        except RunError:
            raise
        except Exception as error:  # Orbax reports a full disk by exceptions of many types.
            raise OSError(f"{path} could not be saved: {leaves.describe(error)}") from None
        if not first:
            return
        score = {row["chunk"]: self._score(row) for row in rows}
        # A checkpoint ahead of the log was skipped by `restore`; it has no score and is kept.
        chunks = [chunk for chunk in self.chunks() if chunk in score]
        kept = {*chunks[-self._keep :], max(chunks, key=lambda chunk: (score[chunk], chunk))}
        for chunk in set(chunks) - kept:
            # Renamed first, so that a partly deleted directory is not taken for a checkpoint.
            deleted = self._path / f"{chunk}.old{UNFINISHED}"
            (self._path / str(chunk)).rename(deleted)
            shutil.rmtree(deleted)


def _silence_libraries() -> None:
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


def _save(path: Path, host: Any, rows: list[Row]) -> None:
    """Saves the rows `host [R / P, ...]` of each process in one checkpoint; all processes must call it."""
    sharding = _rows_of_processes()
    saved = jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, x),
        {"state": host, "sha256": _checksums(host)},
    )
    metadata = cast(Any, {"rows": rows, "sha256": _checksum(rows)})
    with _shared_by(*range(processes.count())):
        ocp.save(str(path), saved, overwrite=True, custom_metadata=metadata)


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
    """Leaves `[R, ...]` in the memory of the hosts, a part of the rows in each process."""
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


def _load(path: Path, found: Any, template: Any) -> tuple[Any, np.ndarray]:
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
    """`[R, 32]` uint8: SHA-256 of the name, dtype, shape and contents of all leaves, of each row."""
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
