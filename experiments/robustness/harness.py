"""Test harness: starts, stops and resumes a training in subprocesses and compares it with an undisturbed run."""

import json
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Process = subprocess.Popen[str]
ATTEMPTS = 5
"""Attempts to stop a training before it ends, on a machine that may be busy."""
PATIENCE = 300.0
"""Timeout in seconds of a process."""


@dataclass(frozen=True)
class Harness:
    """A training to interrupt, and the undisturbed run that it is compared with."""

    command: Sequence[str]
    """Python, the script and its options; the script must accept `--run-dir` and `--resume`."""
    reference: Path
    """Directory of the undisturbed run."""
    folder: Path
    """Parent of the directories of all other runs."""
    rng: random.Random

    def new(self) -> Path:
        """The path of a new run, which does not exist yet."""
        return Path(tempfile.mkdtemp(dir=self.folder)) / "run"

    def start(self, path: Path, prefix: Sequence[str] = ()) -> Process:
        """Starts the training in `path`, or resumes it; `prefix` is put before the name of the script."""
        python, *rest = self.command
        resume = ["--resume"] if (path / "config.json").exists() else []
        return subprocess.Popen(
            [python, *prefix, *rest, "--run-dir", str(path), *resume],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, path: Path) -> str:
        """Starts or resumes the training in `path` and waits for its end; returns its stderr.

        Raises `RuntimeError` if it fails.
        """
        process = self.start(path)
        _, err = process.communicate(timeout=PATIENCE)
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {err}")
        return err

    def identical(self, path: Path) -> bool:
        """Whether the run in `path` ended in the same state as the undisturbed one."""
        return ending(path) == ending(self.reference)

    def stopped(self) -> Path:
        """A new run that was stopped by SIGTERM after some checkpoints, before its end."""
        for _ in range(ATTEMPTS):
            path = self.new()
            process = self.start(path)
            wait_for(process, path, checkpoints=self.rng.randint(3, 5))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
            if not (path / "result.json").exists():
                assert process.returncode == 128 + signal.SIGTERM
                return path
        raise RuntimeError(f"the training ended before it could be stopped, {ATTEMPTS} times")


def ending(path: Path) -> tuple[Any, ...]:
    """The result of a finished run without its times, its newest checkpoint, and its metrics.

    The checksum of the checkpoint covers the complete state: parameters, replay,
    environments and keys.
    """
    result = json.loads((path / "result.json").read_text())
    del result["seconds"]
    newest = max(chunks(path))
    metadata = path / "checkpoints" / str(newest) / "_CHECKPOINT_METADATA"
    checksum = json.loads(metadata.read_text())["custom_metadata"]["sha256"]
    logs = [(path / name).read_text() for name in ("metrics.jsonl", "episodes.csv")]
    return result, newest, checksum, logs


def chunks(path: Path) -> list[int]:
    """The chunks whose checkpoints the run in `path` holds, in order."""
    folder = path / "checkpoints"
    if not folder.exists():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())


def wait_for(process: Process, path: Path, checkpoints: int) -> None:
    """Waits until the process has written `checkpoints` new checkpoints, or has exited.

    Raises `TimeoutError` after `PATIENCE` seconds.
    """
    seen, deadline = set(chunks(path)), time.monotonic() + PATIENCE
    wanted = len(seen) + checkpoints
    while process.poll() is None and len(seen) < wanted:
        seen.update(chunks(path))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} has no new checkpoint after {PATIENCE:.0f} seconds")
        time.sleep(0.002)
