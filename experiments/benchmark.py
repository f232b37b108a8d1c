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
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import draws
import workload
from measure import in_turns, machine_gemm_rate, spread, table
from workload import ITERATIONS, Training, WorkName

from jaxdqn.config import check_at_least
from jaxdqn.runs import cli

Part = Literal["population", "devices", "buffer", "compile", "process", "prioritized"]
HERE = Path(__file__).parent
MakeWork = Callable[..., workload.Work]
Row = dict[str, Any]


@dataclass(frozen=True)
class Args:
    """Measures how fast training is on this machine."""

    work: WorkName = "default"
    """What is trained: cartpole.py's default, or what peers publish figures of."""
    parts: tuple[Part, ...] = ("population", "devices", "buffer", "compile")
    """What to measure."""
    seeds: tuple[int, ...] = (1, 8, 32, 128)
    """Agents at once, in the part called population; the most of them in that called devices."""
    repeats: int = 5
    """Measurements of each figure."""
    json: Path | None = None
    """File to write the rows to."""
    markdown: Path | None = None
    """File to write the tables to."""


def middle(**figures: Sequence[float]) -> Row:
    """Each figure's median under its name, least and most under `..._range`."""
    row: Row = {}
    for name, values in figures.items():
        row[name] = statistics.median(values)
        row[f"{name}_range"] = [min(values), max(values)]
    return row


def cell(row: Row, name: str, unit: str = "", scale: float = 1.0) -> str:
    """A figure of a row, for a table."""
    return spread([row[name], *row[f"{name}_range"]], unit, scale)


def measure_population(make: MakeWork, seeds: Sequence[int], repeats: int) -> list[Row]:
    """World steps and updates a second of several agents in one program."""
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
    title = (
        f"Agents at once; matrix products at {peak / 1e9:.0f} GFLOP/s are the whole machine's rate"
    )
    table(title, shown)
    return rows


def measure_devices(make: MakeWork, most_seeds: int, repeats: int) -> list[Row]:
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
    table(f"{seeds} agents over the devices there are", shown)
    return rows


def measure_buffer(make: MakeWork, repeats: int) -> list[Row]:
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
    table("The size of the replay, full", shown)
    return rows


def measure_compile(make: MakeWork, repeats: int) -> list[Row]:
    """Seconds from a Python function to a program, `init` and iterations together."""
    import jax

    from jaxdqn import training
    from jaxdqn.runs.platform import compiler_options

    work = make()
    trainer = work.make_trainer(work.config)
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            jax.config.update("jax_compilation_cache_dir", folder)
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
            for cache, seconds in found.items():
                del cache
                jax.clear_caches()
                reset_cache()
                start = time.perf_counter()
                whole = jax.jit(
                    lambda key: training.run(trainer, trainer.init(key), ITERATIONS),
                    compiler_options=compiler_options(),
                )
                whole.lower(jax.random.key(0)).compile()
                seconds.append(time.perf_counter() - start)
    jax.config.update("jax_compilation_cache_dir", before)
    rows = [
        {"part": "compile", "cache": cache} | middle(seconds=seconds)
        for cache, seconds in found.items()
    ]
    shown = [{"cache": row["cache"], "compile": cell(row, "seconds", " s")} for row in rows]
    table("The whole training of one agent, compiled", shown)
    return rows


def reset_cache() -> None:
    """Lets JAX look at the cache's folder again."""
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()


def measure_process(repeats: int) -> list[Row]:
    """Whole runs of `cartpole.py` in processes of their own."""
    found: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"XDG_CACHE_HOME": folder}
            environment.pop("JAX_COMPILATION_CACHE_DIR", None)
            for cache, runs in found.items():
                run_dir = Path(folder) / cache
                command = [sys.executable, HERE / "cartpole.py", "--quiet", "--run-dir", run_dir]
                start = time.perf_counter()
                subprocess.run(command, check=True, env=environment)
                whole = time.perf_counter() - start
                seconds = json.loads((run_dir / "result.json").read_text())["seconds"]
                runs.append({"whole": whole} | seconds)
    rows = [
        {"part": "process", "cache": cache}
        | middle(**{f"{part}_seconds": [run[part] for run in runs] for part in runs[0]})
        for cache, runs in found.items()
    ]
    names = ("whole", "import", "compile", "run")
    shown = [
        {"cache": row["cache"]} | {name: cell(row, f"{name}_seconds", " s") for name in names}
        for row in rows
    ]
    table("`python experiments/cartpole.py`, the whole process", shown)
    return rows


def main(args: Args) -> None:
    """Measures the parts asked for, prints them, writes the rows."""
    check_at_least("repeats", args.repeats, 1)
    for count in args.seeds:
        check_at_least("seeds", count, 1)
    rows: list[Row] = []
    if "process" in args.parts:
        # Before this process starts JAX, which would take a core from them.
        rows += measure_process(args.repeats)
    if set(args.parts) - {"process"}:
        from jaxdqn.runs import platform

        platform.configure(platform.cores(), compilation_cache=False)
    make = workload.WORKS[args.work]
    parts: dict[str, Callable[[], list[Row]]] = {
        "population": lambda: measure_population(make, args.seeds, args.repeats),
        "devices": lambda: measure_devices(make, max(args.seeds), args.repeats),
        "buffer": lambda: measure_buffer(make, args.repeats),
        "compile": lambda: measure_compile(make, args.repeats),
        "prioritized": lambda: draws.measure(args.repeats),
    }
    for part, measure in parts.items():
        if part in args.parts:
            rows += measure()
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    cli.main(Args, main)
