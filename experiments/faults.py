"""What does a run survive? Trainings are broken in many ways, resumed, and compared with one left alone.

    python experiments/faults.py --tries 10 --kills 200

Each must end with the same state, metrics and result, to the bit. The breaking is
real: signals to a process, bits flipped in files, a limit on the size of files in place
of a full disk (Linux).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxdqn.config import check_at_least
from jaxdqn.runs import cli

CARTPOLE = (
    *(sys.executable, str(Path(__file__).parent / "cartpole.py"), "--quiet"),
    *("--steps", "40000", "--chunk-steps", "200", "--save-period", "1", "--eval-episodes", "8"),
)
"""A short training that saves after each of its 195 chunks."""
TRIES = 5
"""To be in time, on a machine that may be busy."""
PATIENCE = 300.0
"""Seconds after which a process is given up."""
# Runs a script that kills itself at one of its own operations on saved files.
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
"""Of them about so many in a training; a later one is never reached."""


@dataclass(frozen=True)
class Args:
    """Breaks trainings and counts those that end as if nothing had happened."""

    kills: int = 30
    """Processes killed by `kill -9`."""
    tries: int = 3
    """Of each other fault."""
    seed: int = 0
    """Of the moments and the bits."""


@dataclass(frozen=True)
class Harness:
    """A training to break: its command, which takes `--run-dir` and `--resume`, and its end."""

    command: Sequence[str]
    whole: Path
    """The run that nobody disturbed."""
    folder: Path
    """Where the others live."""
    rng: random.Random

    def new(self, start: Path | None = None) -> Path:
        """A directory for a run, or a copy of one."""
        path = Path(tempfile.mkdtemp(dir=self.folder)) / "run"
        if start is not None:
            shutil.copytree(start, path)
        return path

    def start(self, path: Path, prefix: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """The training in `path`, begun or gone on with; `prefix` goes before the script's name."""
        python, *rest = self.command
        resume = ["--resume"] if (path / "config.json").exists() else []
        return subprocess.Popen(
            [python, *prefix, *rest, "--run-dir", str(path), *resume],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, path: Path) -> str:
        """Resumes to the end; returns what was said on stderr."""
        process = self.start(path)
        _, err = process.communicate(timeout=PATIENCE)
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {err}")
        return err

    def identical(self, path: Path) -> bool:
        """Whether the run in `path` ended as the one that nobody disturbed."""
        return ending(path) == ending(self.whole)

    def stopped(self) -> Path:
        """A run that was asked to stop in its middle, with some saves."""
        for _ in range(TRIES):
            path = self.new()
            process = self.start(path)
            wait_for(process, path, saves=self.rng.randint(3, 5))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
            if not (path / "result.json").exists():
                assert process.returncode == 128 + signal.SIGTERM
                return path
        raise RuntimeError("the training always ended before it could be stopped")


def ending(path: Path) -> tuple[Any, ...]:
    """All that a finished run says, but for the time it took.

    The last save's checksum stands for the whole state: parameters, replay, worlds, key.
    """
    result = json.loads((path / "result.json").read_text())
    del result["seconds"]
    newest = max(chunks(path))
    saved = json.loads((path / "checkpoints" / str(newest) / "_CHECKPOINT_METADATA").read_text())
    lines = (path / "metrics.jsonl").read_text()
    return result, newest, saved["custom_metadata"]["sha256"], lines


def chunks(path: Path) -> list[int]:
    """The chunks after which the run in `path` saved."""
    folder = path / "checkpoints"
    if not folder.exists():
        return []
    return sorted(int(save.name) for save in folder.iterdir() if save.name.isdecimal())


def wait_for(process: "subprocess.Popen[str]", path: Path, saves: int) -> None:
    """Until the process has written `saves` new saves, or ended."""
    seen, deadline = set(chunks(path)), time.monotonic() + PATIENCE
    wanted = len(seen) + saves
    while process.poll() is None and len(seen) < wanted:
        seen.update(chunks(path))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} shows no saves")
        time.sleep(0.002)


def moment(path: Path) -> str:
    """What a process was doing to its saves when it was killed."""
    names = [save.name for save in (path / "checkpoints").glob("*")]
    if not names:
        return "before the first save"
    if any(".old" in name for name in names):
        return "during the clean-up of an old one"
    return "during a save" if any("tmp" in name for name in names) else "between two"


def kill(harness: Harness, tries: int) -> tuple[int, int, Counter[str]]:
    """Kills processes at random moments until `tries` of them are dead; finishes each run at the end.

    Half of them at a time after their first save or before it, half at one of their
    operations on saved files. Returns the runs, those that ended identical, and when
    the kills came.
    """
    rng, moments = harness.rng, Counter[str]()
    runs = identical = 0
    while sum(moments.values()) < tries:
        path, ended = harness.new(), False
        while not ended:
            enough = sum(moments.values()) >= tries
            by_operation = rng.random() < 0.5 and not enough
            operation = str(rng.randint(1, OPERATIONS))
            prefix = ["-c", AT_OPERATION, operation] if by_operation else []
            process = harness.start(path, prefix)
            if not by_operation and not enough:
                if rng.random() < 0.8:
                    wait_for(process, path, saves=1)
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


def damage_truncated(save: Path, rng: random.Random) -> None:
    """The largest file loses its second half."""
    file = max((file for file in save.rglob("*") if file.is_file()), key=_size)
    os.truncate(file, _size(file) // 2)


def damage_missing(save: Path, rng: random.Random) -> None:
    """The largest file is gone."""
    max((file for file in save.rglob("*") if file.is_file()), key=_size).unlink()


def damage_manifest(save: Path, rng: random.Random) -> None:
    """All lists of what is stored where are gone."""
    for manifest in save.rglob("manifest*"):
        manifest.unlink()


def damage_flipped(save: Path, rng: random.Random) -> None:
    """One bit of the largest file is another."""
    file = max((file for file in save.rglob("*") if file.is_file()), key=_size)
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def damage_save(damage: Callable[[Path, random.Random], None]) -> Callable[[Harness], bool]:
    """The newest save of a stopped run is damaged; the run goes on from the one before."""

    def broken(harness: Harness) -> bool:
        path = harness.stopped()
        newest = path / "checkpoints" / str(max(chunks(path)))
        damage(newest, harness.rng)
        warning = harness.finish(path).splitlines()
        told = len(warning) == 1 and f"{newest} cannot be used" in warning[0]
        return told and harness.identical(path)

    return broken


def damage_metrics(change: Callable[[list[str]], list[str]]) -> Callable[[Harness], bool]:
    """The lines of `metrics.jsonl` are others than the newest save knows of."""

    def broken(harness: Harness) -> bool:
        path = harness.stopped()
        metrics = path / "metrics.jsonl"
        metrics.write_text("".join(change(metrics.read_text().splitlines(keepends=True))))
        harness.finish(path)
        return harness.identical(path)

    return broken


def full_disk(harness: Harness) -> bool:
    """From some moment on no file may grow past 256 bytes; the run says so, and goes on when it may."""
    import resource

    path = harness.new()
    process = harness.start(path)
    wait_for(process, path, saves=harness.rng.randint(1, 5))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (256, 256))
    _, err = process.communicate(timeout=PATIENCE)
    told = process.returncode == 4 and err.count("\n") == 1 and "can no longer be written" in err
    harness.finish(path)
    return told and harness.identical(path)


def stop(*signals: signal.Signals, early: bool = False) -> Callable[[Harness], bool]:
    """Signals come one right after another, in the middle or, `early`, as it compiles."""

    def broken(harness: Harness) -> bool:
        for _ in range(TRIES):
            path = harness.new()
            process = harness.start(path)
            if early:
                while not (path / "checkpoints").exists() and process.poll() is None:
                    time.sleep(0.002)
            else:
                wait_for(process, path, saves=harness.rng.randint(1, 5))
            for number in signals:
                process.send_signal(number)
            process.communicate(timeout=PATIENCE)
            if not (path / "result.json").exists():  # Else it ended before.
                break
        told = process.returncode == 128 + signals[0]
        harness.finish(path)
        return told and harness.identical(path)

    return broken


FAULTS: dict[str, Callable[[Harness], bool]] = {
    "the newest save truncated": damage_save(damage_truncated),
    "a file of the newest save missing": damage_save(damage_missing),
    "the newest save without its manifests": damage_save(damage_manifest),
    "a bit of the newest save flipped": damage_save(damage_flipped),
    "`metrics.jsonl` ends in half a line": damage_metrics(lambda rows: [*rows[:-1], rows[-1][:20]]),
    "`metrics.jsonl` behind the save": damage_metrics(lambda rows: rows[:-2]),
    "`metrics.jsonl` ahead of the save": damage_metrics(lambda rows: [*rows, rows[-1]]),
    "a full disk in mid-run, later freed": full_disk,
    "SIGTERM twice in a row": stop(signal.SIGTERM, signal.SIGTERM),
    "SIGINT during the compilation": stop(signal.SIGINT, early=True),
}


def _size(file: Path) -> int:
    return file.stat().st_size


def main(args: Args) -> None:
    """Breaks, counts, prints a table."""
    check_at_least("kills", args.kills, 1)
    check_at_least("tries", args.tries, 1)
    from experiments import measure

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        harness = Harness(CARTPOLE, folder / "whole", folder, random.Random(args.seed))
        harness.finish(harness.whole)
        runs, identical, moments = kill(harness, args.kills)
        cli.say(f"{sum(moments.values())} kills: {identical} of {runs} runs")
        when = ", ".join(f"{count} {name}" for name, count in moments.most_common())
        rows = [
            {
                "fault": f"`kill -9` at random moments ({when})",
                "times": f"{sum(moments.values())} in {runs} runs",
                "ended identical to the bit": f"{identical} of {runs} runs",
            }
        ]
        for fault, broken in FAULTS.items():
            good = sum(broken(harness) for _ in range(args.tries))
            cli.say(f"{fault}: {good} of {args.tries}")
            rows.append(
                {
                    "fault": fault,
                    "times": str(args.tries),
                    "ended identical to the bit": f"{good} of {args.tries}",
                }
            )
    cli.say(measure.table("What a run survives", rows))


if __name__ == "__main__":
    cli.main(Args, main)
