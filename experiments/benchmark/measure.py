"""Timing of functions, statistics of repeated measurements, and the matrix-product rate of the machine."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

Row = dict[str, Any]
Part = tuple[list[Row], str]
"""The results of one part of the benchmark: rows of figures, and Markdown tables."""
ROOT = Path(__file__).parents[2]
"""The folder that holds `experiments`."""


def spread(values: Sequence[float], unit: str = "", scale: float = 1.0) -> str:
    """`median (minimum to maximum)` as a table cell."""
    figures = (statistics.median(values), min(values), max(values))
    median, low, high = (
        f"{figure * scale:,.0f}" if figure * scale >= 100 else f"{figure * scale:.3g}"
        for figure in figures
    )
    return f"{median}{unit} ({low} to {high})"


def medians(**figures: Sequence[float]) -> Row:
    """The median of each figure under its name, `[minimum, maximum]` under `..._range`."""
    row: Row = {}
    for name, values in figures.items():
        row[name] = statistics.median(values)
        row[f"{name}_range"] = [min(values), max(values)]
    return row


def cell(row: Row, name: str, unit: str = "", scale: float = 1.0) -> str:
    """A figure of a row and its range as a table cell."""
    return spread([row[name], *row[f"{name}_range"]], unit, scale)


def in_turns(calls: dict[Any, Callable[[], Any]], repeats: int) -> dict[Any, list[float]]:
    """Seconds of each call, `repeats` times. The calls alternate, so that noise affects all alike."""
    seconds: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def gemm_rate(repeats: int) -> float:
    """Floating-point operations per second of 1024 x 1024 float32 matrix products, the best measurement."""
    matrix = jnp.ones((1024, 1024))
    product = jax.jit(lambda x: jnp.matmul(x, x, precision="float32"))
    jax.block_until_ready(product(matrix))
    return 2 * 1024**3 / min(in_turns({"gemm": lambda: product(matrix)}, 4 * repeats)["gemm"])


def machine_gemm_rate(repeats: int) -> float:
    """`gemm_rate` of the whole machine, measured in a new process without a limit on its threads."""
    code = f"from experiments.benchmark import measure; print(measure.gemm_rate({repeats}))"
    env = subprocess_env()
    env.pop("NPROC", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def subprocess_env() -> dict[str, str]:
    """The environment variables of this process, with `ROOT` on the module search path."""
    path = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}
