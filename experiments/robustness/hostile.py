"""Hostile input: run directories of a stranger and random command lines, given to the programs.

    python experiments/robustness/hostile.py --directories 1000 --command-lines 500

Each program must end by itself with at most one line of error, in time, within 2 GB of memory, and must not
change a file outside the run directory. Programs run one after another in a few processes (Linux).
"""

import collections
import concurrent.futures
import dataclasses
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.results.markdown import table
from experiments.robustness import attacks, command_lines
from experiments.robustness.worker import MOST_BYTES, Outcome, Worker
from jaxdqn.config import check_at_least
from jaxdqn.runs import cli, directory

STOP_AFTER, PATIENCE = 60.0, 120.0
"""Seconds after which a program is stopped by SIGINT, and after which it hangs then, on a busy machine."""
CODES = 0, 2, 3, 4, 5, 130, 143
SMALL = (
    "--steps 1200 --eval-interval 300 --eval-episodes 3 --checkpoint-interval 1 --config.features 8 "
    "--config.buffer-size 800 --config.num-updates 1 --config.batch-size 16 --devices 1"
).split()
SWEEP = [*SMALL, "--seeds", "1", "--sweep", "gamma=0.9,0.99"]
FAULTS = "traceback", "hang", "over 2 GB", "write outside", "crash", "other output"


@dataclasses.dataclass(frozen=True)
class Args:
    """Attack the programs by hostile directories and by random command lines, and count what goes wrong."""

    directories: int = 1_000
    """Hostile run directories; at least 0."""
    command_lines: int = 500
    """Random command lines; at least 0."""
    seed: int = 0
    """Seed of the choice; at least 0."""
    workers: int = 1
    """Processes that run the programs; at least 1."""


def fault(outcome: Outcome) -> str | None:
    """What is wrong with the outcome of a program, one of `FAULTS`, or None."""
    if outcome.limit:
        return {"time": "hang", "memory": "over 2 GB", "crash": "crash"}[outcome.limit]
    if outcome.outside:
        return "write outside"
    if "Traceback" in outcome.output:
        return "traceback"
    if outcome.peak > MOST_BYTES:
        return "over 2 GB"
    errors = sum(line.startswith("error: ") for line in outcome.output.splitlines())
    if outcome.code not in CODES or errors != (outcome.code in (2, 3, 4, 5)):
        return "other output"
    return None


class Arena:
    """A folder with undamaged runs, a directory that must not change, and a worker."""

    def __init__(self, folder: Path, worker: Worker) -> None:
        self.folder, self.worker = folder, worker
        self.outside = folder / "outside"
        (self.outside / "folder").mkdir(parents=True)
        (self.outside / "file").write_text("{}")
        self.case = folder / "case"
        self.originals = {"train": folder / "train", "sweep": folder / "sweep"}

    def make_originals(self) -> None:
        """Trains a run that can be resumed for one more chunk, and a finished sweep."""
        for program, options in (("train", SMALL), ("sweep", SWEEP)):
            outcome = self.run(program, [*options, "--quiet", "--run-dir", "run"], program)
            if outcome.code != 0:
                raise RuntimeError(f"{program}: {outcome}")
            shutil.move(self.case / "run", self.originals[program])
        (self.originals["train"] / "result.json").unlink()
        chunks = (self.originals["train"] / "checkpoints").iterdir()
        shutil.rmtree(max(chunks, key=lambda path: int(path.name)))

    def run(self, program: str, words: Sequence[str], prepared: str | None = None) -> Outcome:
        """Runs a program in the folder of the case, which is made new unless it was `prepared`."""
        if not prepared or not self.case.exists():
            directory.delete(self.case)
            self.case.mkdir()
        outcome = self.worker.run(program, words, self.case, STOP_AFTER, PATIENCE)
        kept = [(self.outside / "file").read_text(), *sorted(self.outside.rglob("*"))]
        if kept != ["{}", self.outside / "file", self.outside / "folder"]:
            return outcome._replace(outside=[*outcome.outside, str(self.outside)])
        return outcome

    def attack(self, original: str, attack: attacks.Attack) -> Iterator[tuple[str, Outcome]]:
        """Gives a damaged copy of an original to all programs; yields command lines and outcomes."""
        resume = ["--quiet", "--run-dir", "run", "--resume"]
        commands = {
            "watch": ["run", "--episodes", "3"],
            "report": ["run"],
            "train": [*SMALL, *resume],
            "sweep": [*SWEEP, *resume],
        }
        for program, words in commands.items():
            directory.delete(self.case)
            self.case.mkdir()
            shutil.copytree(self.originals[original], self.case / "run")
            attack.apply(self.case / "run" / attack.file, self.outside)
            yield program, self.run(program, words, original)


def main(args: Args) -> None:
    """Attacks, and prints a table of what went wrong; every fault is also a line on stderr."""
    check_at_least("directories", args.directories, 0)
    check_at_least("command_lines", args.command_lines, 0)
    check_at_least("workers", args.workers, 1)
    rows = run(args.directories, args.command_lines, args.seed, args.workers)
    cli.say(table("What hostile input does", rows))


def run(
    num_directories: int, num_command_lines: int, seed: int, num_workers: int = 1
) -> list[dict[str, str]]:
    """The rows of the table."""
    rng = random.Random(seed)
    lines = list(command_lines.random_ones(rng, num_command_lines))
    seeds = [rng.randrange(2**32) for _ in range(num_workers)]
    counts = [len(range(k, num_directories, num_workers)) for k in range(num_workers)]
    shares = [lines[k::num_workers] for k in range(num_workers)]
    with concurrent.futures.ThreadPoolExecutor(num_workers) as pool:
        found = list(pool.map(attack_all, seeds, counts, shares))
    directories, words = ([x for one in part for x in one] for part in zip(*found, strict=True))
    return [
        row("hostile directories", num_directories, directories),
        row("random command lines", num_command_lines, words),
    ]


def attack_all(
    seed: int, num_directories: int, lines: Sequence[tuple[str, Sequence[str]]]
) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes of random hostile directories, and those of command lines."""
    directories, words = [], []
    with tempfile.TemporaryDirectory() as name, Worker(Path(name) / "log") as worker:
        arena = Arena(Path(name), worker)
        arena.make_originals()
        pool = [(x, one) for x, path in arena.originals.items() for one in attacks.all_of(path)]
        for original, attack in random.Random(seed).choices(pool, k=num_directories):
            for program, outcome in arena.attack(original, attack):
                report(f"{original}, {attack.file}, {attack.kind}: {program}", outcome)
                directories.append(outcome)
        for program, options in lines:
            words.append(arena.run(program, options))
            report(f"{program} {options}", words[-1])
    return directories, words


def report(title: str, outcome: Outcome) -> None:
    """Prints a fault."""
    if found := fault(outcome):
        lines = [*outcome.output.splitlines()[-12:], *outcome.outside]
        print(f"{found}: {title}", *lines, sep="\n  ", file=sys.stderr, flush=True)


def row(name: str, count: int, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """A row of the table."""
    faults = collections.Counter(fault(outcome) for outcome in outcomes)
    peak = max((outcome.peak for outcome in outcomes), default=0)
    accepted = sum(outcome.code == 0 for outcome in outcomes)
    return {
        "input": f"{count} {name}",
        "programs run": str(len(outcomes)),
        "of which accepted": str(accepted),
        **{name: str(faults[name]) for name in FAULTS},
        "largest memory": f"{peak / 1e9:.2f} GB",
    }


if __name__ == "__main__":
    cli.main(Args, main)
