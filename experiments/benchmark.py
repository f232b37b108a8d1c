"""How fast is it, here and now? Prints Markdown tables; writes rows with `--json`, the tables with `--markdown`.

    python experiments/benchmark.py                             about three minutes on 2 cores
    python experiments/benchmark.py --work cleanrl              the work that peers publish figures of
    python experiments/benchmark.py --parts process --repeats 3

Machines are shared and noisy: each figure is the median of repeats, with the least
and the most, and what is compared is measured in turns within one process. What
was tried for speed, and what it gave, is in SPEED.md.

- `population`: S agents in one program, on as many devices as share them evenly; the fraction is
  of the matrix-product rate that the whole machine reaches on 1024 x 1024 float32.
- `devices`: a fixed number of agents on 1, 2, ... devices.
- `buffer`: one iteration with full rings of 10,000 and of 1,000,000 transitions.
- `compile`: the whole training of one agent, `init` and all iterations as one program, with an
  empty compilation cache and then with a full one.
- `process`: the whole of `cartpole.py`, from a shell, split as `result.json` splits it.
- `prioritized`: a draw of 128 and the writing of their priorities (`draws.py`).
- `saves`: a save and a restore, of the default state and of one of 100 MB (`saves.py`).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments import draws, saves, startup, workload
from experiments.measure import Part, Row, cell, in_turns, machine_gemm_rate, middle, table
from experiments.workload import ITERATIONS, Training, WorkName
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.runs import cli

PartName = Literal["population", "devices", "buffer", "compile", "process", "prioritized", "saves"]
MakeWork = Callable[..., workload.Work]


@dataclass(frozen=True)
class Args:
    """Measures how fast training is on this machine."""

    work: WorkName = "default"
    """What is trained: cartpole.py's default, or what peers publish figures of."""
    parts: tuple[PartName, ...] = ("population", "devices", "buffer", "compile")
    """What to measure."""
    seeds: tuple[int, ...] = (1, 8, 32, 128)
    """Agents at once, in the part called population; the most of them in that called devices."""
    repeats: int = 5
    """Measurements of each figure."""
    json: Path | None = None
    """File to write the rows to."""
    markdown: Path | None = None
    """File to write the tables to."""


def start_jax(num_seeds: int) -> int:
    """Gives JAX as many devices as the machine has and `num_seeds` share evenly; says how many."""
    from jaxdqn import population
    from jaxdqn.runs import platform

    count = population.num_devices(num_seeds, platform.cores())
    platform.configure(count, compilation_cache=False)
    return count


def measure_population(work: WorkName, seeds: Sequence[int], repeats: int) -> Part:
    """World steps and updates a second of several agents in one program.

    One agent is measured in a process of its own, with one device: where others
    stand ready, a program that uses one of them is slower by a tenth.
    """
    from jaxdqn import population

    with_all = start_jax(max(seeds))
    alone = [n for n in seeds if population.num_devices(n, with_all) != with_all]
    rows = [row for n in alone for row in in_a_process(work, n, repeats)]
    rows += population_rows(workload.WORKS[work], [n for n in seeds if n not in alone], repeats)
    shown = [
        {
            "seeds": row["seeds"],
            "devices": row["devices"],
            "world steps/s": cell(row, "world_steps_per_second"),
            "updates/s": cell(row, "updates_per_second"),
            "of the matrix-product rate": cell(row, "gemm_fraction", " %", 100),
            f"{ITERATIONS} iterations, a seed": cell(row, "seconds_per_seed", " ms", 1e3),
            "compile": f"{row['compile_seconds']:.1f} s",
            "memory": f"{row['peak_bytes'] / 1e6:.1f} MB",
        }
        for row in rows
    ]
    title = f"Agents at once; of {rows[-1]['gemm_rate'] / 1e9:.0f} GFLOP/s that the whole machine reaches"
    return rows, table(title, shown)


def in_a_process(work: WorkName, num_seeds: int, repeats: int) -> list[Row]:
    """The rows of this program's own part `population`, for one number of agents."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        options = f"--parts population --work {work} --seeds {num_seeds} --repeats {repeats}"
        command = [sys.executable, __file__, *options.split(), "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())


def population_rows(make: MakeWork, seeds: Sequence[int], repeats: int) -> list[Row]:
    """In this process, in turns."""
    peak = machine_gemm_rate(repeats)
    runs = {count: Training(make(), count) for count in seeds}
    # The first call is not counted: it touches memory for the first time.
    seconds = {count: s[1:] for count, s in in_turns(dict(runs), repeats + 1).items()}
    rows = []
    for count, run in runs.items():
        rate = [ITERATIONS / s for s in seconds[count]]
        fixed = {
            "part": "population",
            "seeds": count,
            "devices": run.num_devices,
            "compile_seconds": run.compile_seconds,
            "peak_bytes": run.peak_bytes,
            "gemm_rate": peak,
        }
        rows.append(
            fixed
            | middle(
                world_steps_per_second=[r * run.world_steps for r in rate],
                updates_per_second=[r * run.updates for r in rate],
                gemm_fraction=[r * run.flops / peak for r in rate],
                seconds_per_seed=[s / count for s in seconds[count]],
            )
        )
    return rows


def measure_devices(make: MakeWork, most_seeds: int, repeats: int) -> Part:
    """The same agents on 1, 2, 4, ... devices."""
    import jax

    available = jax.local_device_count()
    counts = [n for n in range(1, available + 1) if n & (n - 1) == 0 or n == available]
    seeds = max(most_seeds // available, 1) * available
    runs = {n: Training(make(), seeds, n) for n in counts if seeds % n == 0}
    seconds = {n: s[1:] for n, s in in_turns(dict(runs), repeats + 1).items()}
    rows = [
        {"part": "devices", "seeds": seeds, "devices": n}
        | middle(
            world_steps_per_second=[ITERATIONS * runs[n].world_steps / s for s in times],
            speedup=[one / s for one, s in zip(seconds[1], times, strict=True)],
        )
        for n, times in seconds.items()
    ]
    shown = [
        {
            "devices": row["devices"],
            "world steps/s": cell(row, "world_steps_per_second"),
            "against one": cell(row, "speedup"),
        }
        for row in rows
    ]
    return rows, table(f"{seeds} agents over the devices there are", shown)


def measure_buffer(make: MakeWork, repeats: int) -> Part:
    """Seconds of an iteration by size of the ring."""
    runs = {size: Training(make(capacity=size), 1) for size in (10_000, 100_000, 1_000_000)}
    for run in runs.values():
        run.pretend_full()
    seconds = in_turns(dict(runs), 2 * repeats + 1)
    iteration = {size: [s / ITERATIONS for s in times[1:]] for size, times in seconds.items()}
    rows = [
        {"part": "buffer", "capacity": size}
        | middle(
            iteration_seconds=times,
            ratio=[x / y for x, y in zip(times, iteration[10_000], strict=True)],
        )
        for size, times in iteration.items()
    ]
    shown = [
        {
            "buffer": f"{row['capacity']:,}",
            "one iteration": cell(row, "iteration_seconds", " µs", 1e6),
            "against 10,000": cell(row, "ratio"),
        }
        for row in rows
    ]
    return rows, table("The size of the replay, full", shown)


def main(args: Args) -> None:
    """Measures the parts asked for, prints their tables, writes the rows."""
    check_at_least("repeats", args.repeats, 1)
    for name in ("seeds", "parts"):
        check_at_least(name, len(getattr(args, name)), 1)
    for count in args.seeds:
        check_at_least("seeds", count, 1)
    for name in ("json", "markdown"):
        path = getattr(args, name)
        if path and not path.parent.is_dir():
            raise ConfigError(name, path, "must lie in a directory that is there.")
    make = workload.WORKS[args.work]
    most = max(args.seeds)
    parts: dict[PartName, Callable[[], Part]] = {
        # First, before this process starts JAX, which would take a core from them.
        "process": lambda: startup.process(args.repeats),
        "population": lambda: measure_population(args.work, args.seeds, args.repeats),
        "devices": lambda: measure_devices(make, most, args.repeats),
        "buffer": lambda: measure_buffer(make, args.repeats),
        "compile": lambda: startup.compiling(make, args.repeats),
        "prioritized": lambda: draws.measure(args.repeats),
        "saves": lambda: saves.measure(make, args.repeats),
    }
    rows: list[Row] = []
    tables: list[str] = []
    for name, measure in parts.items():
        if name not in args.parts:
            continue
        if name not in ("process", "population"):
            start_jax(most)
        found, text = measure()
        cli.say(text)
        rows += found
        tables.append(text)
        for path, written in (
            (args.json, json.dumps(rows, indent=2)),
            (args.markdown, "\n".join(tables)),
        ):
            if path:
                path.write_text(written + "\n")


if __name__ == "__main__":
    cli.main(Args, main)
