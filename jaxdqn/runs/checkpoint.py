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
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs import directory, leaves
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.runs.logs import Row

UNFINISHED = ".orbax-checkpoint-tmp"
"""Part of the name of a directory that is being written or deleted."""
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
        for unfinished in self._path.glob(f"*{UNFINISHED}*"):
            directory.delete(unfinished)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Waits for the pending save; if an exception is being raised, an `OSError` of it is dropped."""
        with contextlib.suppress(OSError) if kind else contextlib.nullcontext():
            self.wait()
        self._writer.shutdown()

    def chunks(self, most: int | None = None) -> list[int]:
        """Sorted numbers, at most `most`, of the chunks that have a complete checkpoint."""
        found = (int(path.name) for path in self._path.iterdir() if path.name.isdecimal())
        return sorted(chunk for chunk in found if most is None or chunk <= most)

    def save(self, chunk: int, state: Any, rows: list[Row]) -> None:
        """Starts to save `state`, whose leaves must be `jax.Array`s, and the `rows` of the log so far.

        Does nothing while an earlier save is pending: a slow disk gets fewer checkpoints and
        does not delay training. Call `wait` first if this checkpoint must be saved. Raises
        `OSError` if the earlier save failed.
        """
        if self._pending.done():
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
                host = _load(path, metadata.metadata, template)
                rows = check(metadata.custom_metadata["rows"])
                if metadata.custom_metadata["sha256"] != _checksum(host, rows):
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
        path = self._path / str(chunk)
        metadata = cast(Any, {"rows": rows, "sha256": _checksum(host, rows)})
        try:
            if path.is_symlink() or not path.is_dir():  # Orbax would follow a link.
                directory.delete(path)
            with _one_process():
                ocp.save(str(path), host, overwrite=True, custom_metadata=metadata)
        except Exception as error:  # Orbax reports a full disk by exceptions of many types.
            raise OSError(f"{path} could not be saved: {leaves.describe(error)}") from None
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
    sys.unraisablehook = _ignore_closed_event_loop


def _ignore_closed_event_loop(unraisable: "sys.UnraisableHookArgs") -> None:
    """A failed read closes the event loop of Orbax while its other reads are still running."""
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def _one_process() -> ocp.Context:
    """Orbax options by which each of several processes writes complete checkpoints of its own."""
    return ocp.Context(
        multiprocessing_options=ocp.options.MultiprocessingOptions(primary_host=None)
    )


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


def _load(path: Path, found: Any, template: Any) -> Any:
    """NumPy arrays of the checkpoint at `path`; checks its metadata `found` against `template` first."""
    leaves.require_same_leaves(found, template)
    for leaf in jax.tree.leaves(found):
        # The reader allocates whole storage chunks, whatever the shape of the array.
        chunks = leaf.storage_metadata.chunk_shape, leaf.storage_metadata.write_shape
        for chunk in filter(None, chunks):
            if math.prod(chunk) > math.prod(leaf.shape):
                raise leaves.DamagedFile(f"a chunk {chunk} exceeds its array {leaf.shape}")
    arrays = jax.tree.map(leaves.key_data, template)
    return ocp.load(str(path), jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), arrays))


def _checksum(host: Any, rows: list[Row]) -> str:
    """SHA-256 of the rows and of the name, dtype, shape and contents of each leaf."""
    total = hashlib.sha256(json.dumps(rows).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(host):
        total.update(f"{jax.tree_util.keystr(path)}{leaf.dtype}{leaf.shape}".encode())
        total.update(leaf.reshape(-1).view(np.uint8))
    return total.hexdigest()
