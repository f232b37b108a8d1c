"""The checkpoints of a run: saved in the background, verified when restored, few of them kept."""

import contextlib
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxdqn.runs import checkpoint_file, directory, leaves, processes
from jaxdqn.runs.errors import DAMAGED, PROCESS_EXITED, RunError
from jaxdqn.runs.logs import Row

UNFINISHED = ".orbax-checkpoint-tmp"
"""Part of the name of a directory that is being written or deleted."""


class Checkpoints:
    """The checkpoints of one run, each in a directory named after the number of its chunk.

    Keeps the latest `keep` checkpoints and the best one. `save` copies the state, which may
    be donated immediately afterwards, and a thread writes the copy, so that training does
    not wait for the disk. Each checkpoint has a checksum: Orbax does not detect a flipped
    bit. (`CheckpointManager` of Orbax raises in its constructor if any checkpoint is damaged.)
    """

    def __init__(self, path: Path, keep: int, score: Callable[[Row], float]) -> None:
        """`score(row)` is the score of the checkpoint saved after the chunk of `row`; higher is better."""
        checkpoint_file.silence_libraries()
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

        The leaves of `state` are `jax.Array`s `[S, ...]`, whose rows may be on several devices and processes.
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
                host, rows = checkpoint_file.load(path, template, chunk, check)
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
                try:
                    checkpoint_file.save(path, host, rows)
                except TimeoutError:  # Parts of Orbax wait 300 s for each other.
                    if processes.count() > 1:
                        raise
                    checkpoint_file.save(path, host, rows)  # This process was stopped or suspended.
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
