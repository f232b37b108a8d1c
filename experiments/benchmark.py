"""How fast is it, here and now? Prints tables, and writes them with `--json`.

    python experiments/benchmark.py              everything, about five minutes on 2 cores
    python experiments/benchmark.py --parts population buffer --repeats 3

Machines are shared and noisy: each figure is the median of repeats, with the least
and the most, and what is compared is measured in turns within one process.

- `process`: the whole of `cartpole.py`, from a shell, with an empty compilation
  cache and then with a full one, split as `result.json` splits it.
- `population`: S agents in one program; the fraction is of the matrix-product rate
  that the whole machine reaches on 1024 x 1024 float32.
- `prioritized`: a draw of 128 and the writing of their priorities, by trees of several
  widths (√n is a cumulative sum in blocks) and by one cumulative sum over everything.
- `buffer`: one iteration with full rings of 10,000 and of 1,000,000 transitions.

What was tried for speed, and what it gave (2 cores, default run, per iteration):
one host thread instead of two, 0.70 of the time, kept; one draw for exploration
and action, and the keys of an iteration split at once, 0.97, kept; a one-hot
product for `targets.select`, 1.0; all parameters as one vector (`optax.flatten`),
1.0; the target's `cond` as a multiplication, 1.0: left out.
"""

import functools
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from measure import in_turns, machine_gemm_rate, spread, table

from jaxdqn.config import Config, check_at_least
from jaxdqn.runs import cli

Part = Literal["process", "population", "buffer", "prioritized"]
HERE = Path(__file__).parent
TOTAL_STEPS = 50_000
ITERATIONS = 500
"""Of a timed call."""


@dataclass(frozen=True)
class Args:
    """Measures how fast training is on this machine."""

    parts: tuple[Part, ...] = ("process", "population", "buffer")
    """What to measure."""
    seeds: tuple[int, ...] = (1, 8, 32)
    """Agents at once, in the part called population."""
    repeats: int = 5
    """Measurements of each figure."""
    json: Path | None = None
    """File to write the rows to."""


def measure_process(repeats: int) -> list[dict[str, Any]]:
    """Whole runs of `cartpole.py` in processes of their own."""
    found: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"XDG_CACHE_HOME": folder}
            environment.pop("JAX_COMPILATION_CACHE_DIR", None)
            for cache in ("cold", "warm"):
                run_dir = Path(folder) / cache
                command = [sys.executable, HERE / "cartpole.py", "--quiet", "--run-dir", run_dir]
                start = time.perf_counter()
                subprocess.run(command, check=True, env=environment)
                whole = time.perf_counter() - start
                seconds = json.loads((run_dir / "result.json").read_text())["seconds"]
                found[cache].append({"whole": whole} | seconds)
    return [
        {"cache": cache} | {part: spread([run[part] for run in runs], " s") for part in runs[0]}
        for cache, runs in found.items()
    ]


def update_flops(config: Config, features: Sequence[int], num_inputs: int, num_actions: int) -> int:
    """Matrix products of one update: a pass of either network, and two back through one of them."""
    sizes = (num_inputs, *features, num_actions)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    # Nothing flows back into the observations.
    return 2 * config.batch_size * (4 * weights - sizes[0] * sizes[1])


class Training:
    """`num_seeds` default runs, compiled for `ITERATIONS` iterations; a call goes on by these."""

    def __init__(self, config: Config, num_seeds: int) -> None:
        import cartpole
        import jax
        import members

        from jaxdqn import envs, population, training

        agent = members.make_agent("dqn", envs.from_gymnax(members.ENV, 1).num_actions)
        trainer = cartpole.make_trainer("dqn", config, agent, TOTAL_STEPS)
        layout = population.layout(num_seeds)
        start = time.perf_counter()
        self.state = jax.jit(population.each(trainer.init, layout))(
            population.keys(range(num_seeds))
        )
        chunk = population.each(lambda state: training.run(trainer, state, ITERATIONS), layout)
        lowered = jax.jit(chunk, donate_argnums=0).lower(self.state)
        self.program = lowered.compile()
        self.compile_seconds = time.perf_counter() - start
        memory: Any = self.program.memory_analysis()
        self.peak_bytes = memory.argument_size_in_bytes + memory.temp_size_in_bytes

    def pretend_full(self) -> None:
        """Lets draws reach all of the ring, also what holds zeros still."""
        buffer = self.state.buffer
        num_rows = buffer.words.shape[1]
        full = buffer._replace(filled_rows=buffer.filled_rows * 0 + num_rows)
        self.state = self.state._replace(buffer=full)

    def __call__(self) -> Any:
        self.state, metrics = self.program(self.state)
        return metrics


def measure_population(seeds: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """World steps and updates a second of several agents in one program."""
    import members

    config = Config()
    peak = machine_gemm_rate(repeats)
    runs = {count: Training(config, count) for count in seeds}
    seconds = in_turns(dict(runs), repeats + 1)
    rows = []
    for count, run in runs.items():
        # The first call is not counted: it touches memory for the first time.
        rate = [count * ITERATIONS / s for s in seconds[count][1:]]
        flops = config.num_updates * update_flops(config, members.FEATURES, 4, 2)
        rows.append(
            {
                "seeds": count,
                "world_steps_per_second": [r * config.num_envs * config.num_steps for r in rate],
                "updates_per_second": [r * config.num_updates for r in rate],
                "compile_seconds": run.compile_seconds,
                "gemm_fraction": [r * flops / peak for r in rate],
                "peak_bytes": run.peak_bytes,
            }
        )
    return rows


def measure_buffer(repeats: int) -> list[dict[str, Any]]:
    """Seconds of an iteration by size of the ring."""
    runs = {size: Training(Config(capacity=size), 1) for size in (10_000, 1_000_000)}
    for run in runs.values():
        run.pretend_full()
    seconds = in_turns(dict(runs), 2 * repeats + 1)
    iteration = {size: [s / ITERATIONS for s in times[1:]] for size, times in seconds.items()}
    small = iteration[10_000]
    return [
        {
            "capacity": size,
            "iteration_seconds": times,
            "ratio": [x / y for x, y in zip(times, small, strict=True)],
        }
        for size, times in iteration.items()
    ]


def measure_prioritized(repeats: int, rounds: int = 50) -> list[dict[str, Any]]:
    """Microseconds of drawing and rewriting 128 priorities, alone and four at once under `vmap`."""
    import jax
    import jax.numpy as jnp

    from jaxdqn import prioritized

    def by_tree(levels: Any, key: jax.Array):
        leaf, priority = prioritized.draw(key, levels, 128)
        return prioritized.write(levels, leaf, priority * 1.01), None

    def by_cumulative_sum(priorities: jax.Array, key: jax.Array):
        ends = jnp.cumsum(priorities)
        leaf = jnp.searchsorted(ends, jax.random.uniform(key, (128,)) * ends[-1])
        return priorities.at[leaf].multiply(1.01), None

    rows = []
    for size in (10_000, 100_000, 1_000_000):
        full = jnp.arange(size), jnp.ones(size)
        ways: dict[str, tuple[Any, Any]] = {
            f"tree of {width}": (by_tree, prioritized.write(tree, *full))
            for width in (8, 64, math.isqrt(size))
            for tree in [prioritized.empty_tree(size, width)]
        } | {"cumulative sum": (by_cumulative_sum, jnp.ones(size))}
        for copies in (1, 4):
            keys = jax.random.split(jax.random.key(0), (copies, rounds))
            calls = {}
            for way, (function, start) in ways.items():
                run = jax.jit(jax.vmap(functools.partial(jax.lax.scan, function)))
                starts = jax.tree.map(lambda x: jnp.stack([x] * copies), start)  # noqa: B023
                calls[way] = functools.partial(run, starts, keys)
            in_turns(calls, 1)
            seconds = in_turns(calls, repeats)
            each = {way: [s / rounds / copies for s in seconds[way]] for way in ways}
            rows.append({"priorities": size, "at once": copies} | each)
    return rows


def main(args: Args) -> None:
    """Measures the parts asked for, prints them, writes the rows."""
    check_at_least("repeats", args.repeats, 1)
    for count in args.seeds:
        check_at_least("seeds", count, 1)
    written: dict[str, Any] = {}
    if "process" in args.parts:
        # Before this process starts JAX, which would take a core from them.
        written["process"] = rows = measure_process(args.repeats)
        table("`python experiments/cartpole.py`, the whole process", rows)
    if set(args.parts) - {"process"}:
        from jaxdqn.runs import platform

        platform.configure(compilation_cache=False)
    if "population" in args.parts:
        written["population"] = rows = measure_population(args.seeds, args.repeats)
        shown = [
            {
                "seeds": row["seeds"],
                "world steps/s": spread(row["world_steps_per_second"]),
                "updates/s": spread(row["updates_per_second"]),
                "of the matrix-product rate": spread(row["gemm_fraction"], " %", 100),
                "compile": f"{row['compile_seconds']:.1f} s",
                "memory": f"{row['peak_bytes'] / 1e6:.1f} MB",
            }
            for row in rows
        ]
        table("Agents at once, evaluations left out", shown)
    if "buffer" in args.parts:
        written["buffer"] = rows = measure_buffer(args.repeats)
        shown = [
            {
                "buffer": f"{row['capacity']:,}",
                "one iteration": spread(row["iteration_seconds"], " µs", 1e6),
                "against 10,000": spread(row["ratio"]),
            }
            for row in rows
        ]
        table("The size of the replay", shown)
    if "prioritized" in args.parts:
        written["prioritized"] = rows = measure_prioritized(args.repeats)
        for row in rows:
            size = math.isqrt(row["priorities"])
            names = {f"tree of {size}": "tree of √n"}
            cells = {
                names.get(name, name): spread(value, " µs", 1e6)
                for name, value in row.items()
                if isinstance(value, list)
            }
            table(f"{row['priorities']:,} priorities, {row['at once']} at once", [cells])
    if args.json:
        args.json.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    cli.main(Args, main)
