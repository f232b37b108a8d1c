"""Benchmark: speed of training on this machine. Prints Markdown tables.

    python experiments/benchmark/run.py                       about three minutes on 2 cores
    python experiments/benchmark/run.py --work cleanrl        the workload of published benchmarks
    python experiments/benchmark/run.py --parts process --repeats 3

Shared machines are noisy. Each figure is the median of several repeats, with their
minimum and maximum, and figures that are compared are measured in turns within one
process. README.md lists what was found and which optimizations were tried.

- `population`: agents in one program, on as many devices as divide their number evenly. The
  fraction is that of the rate that the whole machine reaches with products of 1024 x 1024
  float32 matrices.
- `devices`: a fixed number of agents on 1, 2, ... devices.
- `buffer`: one iteration with full replay buffers of 10,000 to 1,000,000 transitions.
- `compile`: compilation of the whole training of one agent, `init` and all iterations in one
  program, with an empty and with a filled compilation cache.
- `process`: `cartpole.py` as a process, divided as in `result.json`.
- `prioritized`: sampling of 128 transitions by priority, and the update of their priorities.
- `checkpoints`: saving and restoring a checkpoint, of the default state and of one of 100 MB.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.benchmark import buffer, checkpoints, population, prioritized, startup, workload
from experiments.benchmark.measure import Part, Row
from experiments.benchmark.workload import WorkName
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.runs import cli

PartName = Literal[
    "population", "devices", "buffer", "compile", "process", "prioritized", "checkpoints"
]


@dataclass(frozen=True)
class Args:
    """Measure the speed of training on this machine."""

    work: WorkName = "default"
    """Workload: the default training of cartpole.py, or that of published benchmarks."""
    parts: tuple[PartName, ...] = ("population", "devices", "buffer", "compile")
    """Parts to measure, at least one."""
    seeds: tuple[int, ...] = (1, 8, 32, 128)
    """Numbers of agents in part population, each at least 1; part devices uses the largest."""
    repeats: int = 5
    """Measurements per figure; at least 1."""
    json: Path | None = None
    """File for the rows, in an existing directory; by default none is written."""
    markdown: Path | None = None
    """File for the tables, in an existing directory; by default none is written."""


def main(args: Args) -> None:
    """Measures the requested parts, prints their tables and writes the files."""
    check_at_least("repeats", args.repeats, 1)
    for name in ("seeds", "parts"):
        check_at_least(name, len(getattr(args, name)), 1)
    for count in args.seeds:
        check_at_least("seeds", count, 1)
    for name in ("json", "markdown"):
        path = getattr(args, name)
        if path and not path.parent.is_dir():
            raise ConfigError(name, path, "must lie in an existing directory.")
    make_work = workload.WORKS[args.work]
    most_seeds = max(args.seeds)
    parts: dict[PartName, Callable[[], Part]] = {
        # These two come before the backend of this process starts: a process with a backend
        # takes a core from the processes that they measure.
        "process": lambda: startup.measure_process(args.repeats),
        "population": lambda: population.measure_population(args.work, args.seeds, args.repeats),
        "devices": lambda: population.measure_devices(make_work, most_seeds, args.repeats),
        "buffer": lambda: buffer.measure(make_work, args.repeats),
        "compile": lambda: startup.measure_compilation(make_work, args.repeats),
        "prioritized": lambda: prioritized.measure(args.repeats),
        "checkpoints": lambda: checkpoints.measure(make_work, args.repeats),
    }
    rows: list[Row] = []
    tables: list[str] = []
    for name, measure in parts.items():
        if name not in args.parts:
            continue
        if name not in ("process", "population"):
            population.configure(most_seeds)
        part_rows, part_tables = measure()
        cli.say(part_tables)
        rows += part_rows
        tables.append(part_tables)
        for path, text in (
            (args.json, json.dumps(rows, indent=2)),
            (args.markdown, "\n".join(tables)),
        ):
            if path:
                path.write_text(text + "\n")


if __name__ == "__main__":
    cli.main(Args, main)
