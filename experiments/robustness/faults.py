"""Faults: processes killed by signals, damaged checkpoints and logs, a full disk (Linux)."""

import itertools
import os
import random
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from experiments.robustness.harness import ATTEMPTS, PATIENCE, Harness, chunks, wait_for

Fault = Callable[[Harness], bool]
"""Breaks a new run and resumes it; whether it reported the fault and ended identical to the undisturbed run."""
# Runs a script that kills itself at one of its own operations on the files of checkpoints.
AT_OPERATION = """
import os, runpy, signal, sys
left, script = int(sys.argv[1]), sys.argv[2]
events = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.scandir"}
def count(event, args):
    global left
    if event in events and args and "checkpoints" in str(args[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(script))
sys.addaudithook(count)
runpy.run_path(script, run_name="__main__")
"""
OPERATIONS = 600
"""Approximate number of these operations in a training of 200 chunks; a later one is never reached."""


def kill(
    harness: Harness, kills: int, operations: int = OPERATIONS
) -> tuple[int, int, Counter[str]]:
    """Kills processes at random moments until `kills` of them are dead, and resumes each run to its end.

    Of ten processes one is killed a random time after its start, five a random time after they
    saved a checkpoint, and four at a random one of their first `operations` on the files of checkpoints.
    Returns the number of runs, the number of runs that ended identical, and how often each moment was hit.
    """
    rng, moments = harness.rng, Counter[str]()
    ways = itertools.cycle(("start", "checkpoint", *("operation", "checkpoint") * 4))
    runs = identical = 0
    while moments.total() < kills:
        path, ended = harness.new(), False
        while not ended:
            way = next(ways) if moments.total() < kills else None
            operation = str(rng.randint(1, operations))
            prefix = ["-c", AT_OPERATION, operation] if way == "operation" else []
            process = harness.start(path, prefix)
            if way == "checkpoint":
                wait_for(process, path, checkpoints=1)
            if way in ("start", "checkpoint"):
                time.sleep(rng.uniform(0.0, 0.3))
                process.kill()
            _, err = process.communicate(timeout=PATIENCE)
            if process.returncode == -signal.SIGKILL:
                moments[moment(path)] += 1
            elif process.returncode:
                raise RuntimeError(f"exit code {process.returncode}: {err}")
            ended = process.returncode == 0
        runs += 1
        identical += harness.identical(path)
        shutil.rmtree(path.parent)
    return runs, identical, moments


def moment(path: Path) -> str:
    """When the process was killed, judged by the checkpoints that it left in `path`."""
    names = [entry.name for entry in (path / "checkpoints").glob("*")]
    if not names:
        return "before the first checkpoint"
    if any(".old" in name for name in names):
        return "while an old checkpoint was deleted"
    writing = any("tmp" in name for name in names)
    return "while a checkpoint was written" if writing else "between two checkpoints"


def truncate(checkpoint: Path, rng: random.Random) -> None:
    """Removes the second half of the largest file."""
    file = _largest_file(checkpoint)
    os.truncate(file, file.stat().st_size // 2)


def delete_file(checkpoint: Path, rng: random.Random) -> None:
    """Deletes the largest file."""
    _largest_file(checkpoint).unlink()


def delete_manifests(checkpoint: Path, rng: random.Random) -> None:
    """Deletes all manifests, which list where arrays are stored."""
    for manifest in checkpoint.rglob("manifest*"):
        manifest.unlink()


def flip_bit(checkpoint: Path, rng: random.Random) -> None:
    """Flips a random bit of the largest file."""
    file = _largest_file(checkpoint)
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def damaged_checkpoint(damage: Callable[[Path, random.Random], None]) -> Fault:
    """Damages the newest checkpoint of a stopped run, which must continue from the one before."""

    def fault(harness: Harness) -> bool:
        path = harness.stopped()
        newest = path / "checkpoints" / str(max(chunks(path)))
        damage(newest, harness.rng)
        warnings = harness.finish(path).splitlines()
        reported = len(warnings) == 1 and f"{newest} cannot be used" in warnings[0]
        return reported and harness.identical(path)

    return fault


def changed_metrics(change: Callable[[list[str]], list[str]]) -> Fault:
    """Changes the lines of `metrics.jsonl`, so that they disagree with the newest checkpoint."""

    def fault(harness: Harness) -> bool:
        path = harness.stopped()
        metrics = path / "metrics.jsonl"
        metrics.write_text("".join(change(metrics.read_text().splitlines(keepends=True))))
        harness.finish(path)
        return harness.identical(path)

    return fault


def full_disk(harness: Harness) -> bool:
    """Limits files to 256 bytes from a random checkpoint on, in place of a full disk; resumes without limit."""
    path = harness.new()
    process = harness.start(path)
    wait_for(process, path, checkpoints=harness.rng.randint(1, 5))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (256, 256))
    _, err = process.communicate(timeout=PATIENCE)
    reported = (
        process.returncode == 4 and err.count("\n") == 1 and "can no longer be written" in err
    )
    harness.finish(path)
    return reported and harness.identical(path)


def stop(*signals: signal.Signals, early: bool = False) -> Fault:
    """Sends signals in immediate succession, after a random checkpoint or, if `early`, during compilation."""

    def fault(harness: Harness) -> bool:
        for _ in range(ATTEMPTS):
            path = harness.new()
            process = harness.start(path)
            if early:
                while not (path / "checkpoints").exists() and process.poll() is None:
                    time.sleep(0.002)
            else:
                wait_for(process, path, checkpoints=harness.rng.randint(1, 5))
            for number in signals:
                process.send_signal(number)
            process.communicate(timeout=PATIENCE)
            if not (path / "result.json").exists():  # Otherwise it had ended before.
                break
        reported = process.returncode == 128 + signals[0]
        harness.finish(path)
        return reported and harness.identical(path)

    return fault


def _largest_file(folder: Path) -> Path:
    files = (file for file in folder.rglob("*") if file.is_file())
    return max(files, key=lambda file: file.stat().st_size)


FAULTS: dict[str, Fault] = {
    "newest checkpoint truncated": damaged_checkpoint(truncate),
    "file of the newest checkpoint missing": damaged_checkpoint(delete_file),
    "manifests of the newest checkpoint missing": damaged_checkpoint(delete_manifests),
    "bit of the newest checkpoint flipped": damaged_checkpoint(flip_bit),
    "`metrics.jsonl` ends in half a line": changed_metrics(
        lambda rows: [*rows[:-1], rows[-1][:20]]
    ),
    "`metrics.jsonl` behind the checkpoint": changed_metrics(lambda rows: rows[:-2]),
    "`metrics.jsonl` ahead of the checkpoint": changed_metrics(lambda rows: [*rows, rows[-1]]),
    "disk full during the run, freed later": full_disk,
    "SIGTERM twice in succession": stop(signal.SIGTERM, signal.SIGTERM),
    "SIGINT during compilation": stop(signal.SIGINT, early=True),
}
