"""Parts `compile` and `process` of the benchmark: time to compile a training, and to run a whole process."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from experiments.benchmark.measure import ROOT, Part, cell, medians, subprocess_env
from experiments.benchmark.workload import ITERATIONS, MakeWork
from experiments.results.markdown import table
from jaxdqn import training
from jaxdqn.runs.platform import compiler_options


def measure_compilation(make_work: MakeWork, repeats: int) -> Part:
    """Seconds to trace and compile `init` and all iterations, with an empty and a filled cache."""
    work = make_work()
    trainer = work.make_trainer(work.config)
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            jax.config.update("jax_compilation_cache_dir", folder)
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
            for seconds in found.values():
                jax.clear_caches()
                compilation_cache.reset_cache()  # Otherwise JAX keeps the first folder.
                start = time.perf_counter()
                program = jax.jit(
                    lambda key: training.run(trainer, trainer.init(key), ITERATIONS),
                    compiler_options=compiler_options(),
                )
                program.lower(jax.random.key(0)).compile()
                seconds.append(time.perf_counter() - start)
    jax.config.update("jax_compilation_cache_dir", before)
    rows = [
        {"part": "compile", "cache": cache} | medians(seconds=seconds)
        for cache, seconds in found.items()
    ]
    shown = [{"cache": row["cache"], "compilation": cell(row, "seconds", " s")} for row in rows]
    return rows, table("Compilation of the whole training of one agent", shown)


def measure_process(repeats: int) -> Part:
    """Seconds of whole runs of `cartpole.py` in new processes, with an empty and a filled cache."""
    found: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    script = ROOT / "experiments" / "cartpole.py"
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            env = subprocess_env() | {"XDG_CACHE_HOME": folder}
            env.pop("JAX_COMPILATION_CACHE_DIR", None)
            for cache, runs in found.items():
                run_dir = Path(folder) / cache
                command = [sys.executable, script, "--quiet", "--run-dir", run_dir]
                start = time.perf_counter()
                subprocess.run(command, check=True, env=env)
                total = time.perf_counter() - start
                seconds = json.loads((run_dir / "result.json").read_text())["seconds"]
                runs.append({"total": total} | seconds)
    rows = [
        {"part": "process", "cache": cache}
        | medians(**{f"{name}_seconds": [run[name] for run in runs] for name in runs[0]})
        for cache, runs in found.items()
    ]
    names = ("total", "import", "compile", "run")
    shown = [
        {"cache": row["cache"]} | {name: cell(row, f"{name}_seconds", " s") for name in names}
        for row in rows
    ]
    return rows, table("`python experiments/cartpole.py`, the whole process", shown)
