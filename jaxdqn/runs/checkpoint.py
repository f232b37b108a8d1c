"""How is a run kept? The only module that knows Orbax."""

import contextlib
import hashlib
import json
import logging
import math
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs import leaves
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.runs.logs import Row

UNFINISHED = ".orbax-checkpoint-tmp"
"""In the name of a directory that Orbax is writing, or that we are deleting."""


class Checkpoints:
    """The saved states of one run, each in a directory named by the chunk it was saved after.

    Keeps the last `keep` and the best one. `save` copies the state, which may be
    donated right after, and leaves the writing to a thread: the training never waits
    for a disk. Each save carries a checksum, without which a flipped bit would be
    loaded as if nothing were wrong. (Orbax' own manager of such directories cannot be
    used: it raises before it is built when any one of them is damaged.)
    """

    def __init__(self, path: Path, keep: int, score: Callable[[Row], float]) -> None:
        """`score(row)` says how good the state was whose chunk that row of the log tells about."""
        _hush()
        self._path = path.absolute()
        self._keep = keep
        self._score = score
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._saving: Future[None] = self._writer.submit(lambda: None)
        self._path.mkdir(exist_ok=True)
        for left_by_a_crash in self._path.glob(f"*{UNFINISHED}*"):
            shutil.rmtree(left_by_a_crash)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Waits for the save under way; after an exception without adding another."""
        with contextlib.suppress(OSError) if kind else contextlib.nullcontext():
            self.wait()
        self._writer.shutdown()

    def chunks(self, most: int | None = None) -> list[int]:
        """The chunks that were saved and kept, in order, up to `most`; not yet the one being saved."""
        found = (int(path.name) for path in self._path.iterdir() if path.name.isdecimal())
        return sorted(chunk for chunk in found if most is None or chunk <= most)

    def save(self, chunk: int, state: Any, rows: list[Row]) -> None:
        """Begins to save `state`, whose leaves must all be `jax.Array`s, and the log's `rows` so far.

        Left out while an earlier save is being written, so that a slow disk keeps
        fewer states but stalls nothing; `wait` first for one that must be kept.
        Raises `OSError` where the earlier one failed.
        """
        if self._saving.done():
            self.wait()
            self._saving = self._writer.submit(
                self._write, chunk, leaves.on_host(state), list(rows)
            )

    def wait(self) -> None:
        """Returns once all is on disk; raises `OSError` where it is not."""
        self._saving.result()

    def restore(self, template: Any, most: int | None = None) -> tuple[int, Any, list[Row]]:
        """The chunk, the state, shaped like `template`, and the rows of the newest usable save up to `most`.

        One that is damaged, or has other leaves than `template`, is passed over, and
        said to be, in favour of the one before. Raises `RunError` where none is left.
        """
        passed_over = []
        for chunk in reversed(self.chunks(most)):
            path = self._path / str(chunk)
            try:
                metadata: Any = ocp.metadata(str(path))
                host = _load(path, metadata.metadata, template)
                rows = metadata.custom_metadata["rows"]
                if metadata.custom_metadata["sha256"] != _checksum(host, rows):
                    raise leaves.Damage("its checksum does not match")
            except Exception as error:
                passed_over.append(f"{path} cannot be used: {leaves.line(error)}")
                continue
            for save in passed_over:
                print(f"warning: {save}; going on after chunk {chunk}.", file=sys.stderr)
            return chunk, leaves.like(template, host), rows
        tried = f"{len(passed_over)} tried; {passed_over[0]}" if passed_over else "none is there"
        raise RunError(f"{self._path} holds no usable checkpoint, {tried}.", DAMAGED)

    def _write(self, chunk: int, host: Any, rows: list[Row]) -> None:
        """Saves, then drops what need not be kept."""
        path = self._path / str(chunk)
        metadata = cast(Any, {"rows": rows, "sha256": _checksum(host, rows)})
        try:
            with _own_files():
                ocp.save(str(path), host, overwrite=True, custom_metadata=metadata)
        except Exception as error:  # A full disk has many names in there.
            raise OSError(f"{path} could not be saved: {leaves.line(error)}") from None
        score = {row["chunk"]: self._score(row) for row in rows}
        # One ahead of the log was passed over by `restore`; it is not ours to judge.
        chunks = [chunk for chunk in self.chunks() if chunk in score]
        kept = {*chunks[-self._keep :], max(chunks, key=lambda chunk: (score[chunk], chunk))}
        for chunk in set(chunks) - kept:
            # Renamed first: half of a directory must not look like a whole one.
            doomed = self._path / f"{chunk}.old{UNFINISHED}"
            (self._path / str(chunk)).rename(doomed)
            shutil.rmtree(doomed)


def _hush() -> None:
    """Orbax, and the loop it reads by, tell in tens of lines what we say in one."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.unraisablehook = _unraisable


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Of a read that failed, other reads come back to a loop that has gone: not worth a line."""
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def _own_files() -> ocp.Context:
    """Every process writes all of its files, not only the first of several."""
    return ocp.Context(
        multiprocessing_options=ocp.options.MultiprocessingOptions(primary_host=None)
    )


def _load(path: Path, found: Any, template: Any) -> Any:
    """NumPy's arrays of the save at `path`, of which its metadata `found` tells; read once they are as wanted."""
    leaves.require_same_leaves(found, template)
    for leaf in jax.tree.leaves(found):
        # Memory is taken for whole chunks, whatever the array's shape.
        chunks = leaf.storage_metadata.chunk_shape, leaf.storage_metadata.write_shape
        for chunk in filter(None, chunks):
            if math.prod(chunk) > math.prod(leaf.shape):
                raise leaves.Damage(f"a chunk {chunk} exceeds its array {leaf.shape}")
    words = jax.tree.map(leaves.words, template)
    return ocp.load(str(path), jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), words))


def _checksum(host: Any, rows: list[Row]) -> str:
    """SHA-256 of the rows and of each leaf's name, type, shape and contents."""
    total = hashlib.sha256(json.dumps(rows).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(host):
        total.update(f"{jax.tree_util.keystr(path)}{leaf.dtype}{leaf.shape}".encode())
        total.update(leaf.reshape(-1).view(np.uint8))
    return total.hexdigest()
