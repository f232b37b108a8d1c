"""Parts `population` and `devices` of the benchmark: throughput by number of agents and of devices."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax

from experiments.benchmark import workload
from experiments.benchmark.measure import (
    Part,
    Row,
    cell,
    in_turns,
    machine_gemm_rate,
    medians,
    subprocess_env,
)
from experiments.benchmark.workload import ITERATIONS, MakeWork, Training, WorkName
from experiments.results.markdown import table
from jaxdqn.runs import platform
from jaxdqn.training import population


def configure(num_agents: int) -> int:
    """Configures JAX for as many CPU devices as divide `num_agents` evenly; returns their number.

    Call it before anything uses the backend; later calls change nothing.
    """
    count = population.num_devices(num_agents, platform.cores())
    platform.configure(count, compilation_cache=False)
    return count


def measure_population(work: WorkName, seeds: Sequence[int], repeats: int) -> Part:
    """Environment steps and updates per second of several agents in one program.

    A number of agents that uses fewer devices than the largest is measured in a process with
    only these devices: idle devices slow a program down by a tenth.
    """
    most_devices = configure(max(seeds))
    separate = [n for n in seeds if population.num_devices(n, most_devices) != most_devices]
    rows = [row for n in separate for row in subprocess_rows(work, n, repeats)]
    rows += population_rows(workload.WORKS[work], [n for n in seeds if n not in separate], repeats)
    shown = [
        {
            "seeds": row["seeds"],
            "devices": row["devices"],
            "env steps/s": cell(row, "env_steps_per_second"),
            "updates/s": cell(row, "updates_per_second"),
            "fraction of the matrix-product rate": cell(row, "gemm_fraction", " %", 100),
            f"{ITERATIONS} iterations, per seed": cell(row, "seconds_per_seed", " ms", 1e3),
            "compilation": f"{row['compile_seconds']:.1f} s",
            "memory": f"{row['peak_bytes'] / 1e6:.1f} MB",
        }
        for row in rows
    ]
    rate = f"{rows[-1]['gemm_rate'] / 1e9:.0f} GFLOP/s"
    return rows, table(f"Agents in one program; matrix-product rate of the machine: {rate}", shown)


def subprocess_rows(work: WorkName, num_agents: int, repeats: int) -> list[Row]:
    """The rows of part `population` for one number of agents, measured in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        options = f"--parts population --work {work} --seeds {num_agents} --repeats {repeats}"
        script = str(Path(__file__).with_name("run.py"))
        command = [sys.executable, script, *options.split(), "--json", str(path)]
        subprocess.run(command, env=subprocess_env(), check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())


def population_rows(make_work: MakeWork, seeds: Sequence[int], repeats: int) -> list[Row]:
    """The rows of part `population` for several numbers of agents, measured in turns in this process."""
    peak = machine_gemm_rate(repeats)
    runs = {count: Training(make_work(), count) for count in seeds}
    # The first call is left out: it touches its memory for the first time.
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
            | medians(
                env_steps_per_second=[r * run.env_steps for r in rate],
                updates_per_second=[r * run.updates for r in rate],
                gemm_fraction=[r * run.flops / peak for r in rate],
                seconds_per_seed=[s / count for s in seconds[count]],
            )
        )
    return rows


def measure_devices(make_work: MakeWork, most_seeds: int, repeats: int) -> Part:
    """Environment steps per second of a fixed number of agents on 1, 2, 4, ... devices."""
    available = jax.local_device_count()
    counts = [n for n in range(1, available + 1) if n & (n - 1) == 0 or n == available]
    seeds = max(most_seeds // available, 1) * available
    runs = {n: Training(make_work(), seeds, n) for n in counts if seeds % n == 0}
    seconds = {n: s[1:] for n, s in in_turns(dict(runs), repeats + 1).items()}
    rows = [
        {"part": "devices", "seeds": seeds, "devices": n}
        | medians(
            env_steps_per_second=[ITERATIONS * runs[n].env_steps / s for s in times],
            speedup=[one / s for one, s in zip(seconds[1], times, strict=True)],
        )
        for n, times in seconds.items()
    ]
    shown = [
        {
            "devices": row["devices"],
            "env steps/s": cell(row, "env_steps_per_second"),
            "speedup over one device": cell(row, "speedup"),
        }
        for row in rows
    ]
    return rows, table(f"{seeds} agents by number of devices", shown)
