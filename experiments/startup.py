"""How long until it trains? A compilation, and a whole process. Parts of benchmark.py."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from experiments.measure import Part, cell, middle, table
from experiments.workload import ITERATIONS, Work

HERE = Path(__file__).parent


def compiling(make: Callable[[], Work], repeats: int) -> Part:
    """Seconds from a Python function to a program, `init` and iterations together."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

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
            for seconds in found.values():
                jax.clear_caches()
                compilation_cache.reset_cache()  # Else it keeps the folder it saw first.
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
    return rows, table("The whole training of one agent, compiled", shown)


def process(repeats: int) -> Part:
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
    return rows, table("`python experiments/cartpole.py`, the whole process", shown)
