"""How is something timed here, and how is it shown?"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Part = tuple[list[Row], str]
"""What one part of a benchmark found: rows of figures, and tables to read."""


def spread(values: Sequence[float], unit: str = "", scale: float = 1.0) -> str:
    """Median, least and most, as a cell."""
    figures = (statistics.median(values), min(values), max(values))
    middle, low, high = (
        f"{figure * scale:,.0f}" if figure * scale >= 100 else f"{figure * scale:.3g}"
        for figure in figures
    )
    return f"{middle}{unit} ({low} to {high})"


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


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """Rows as Markdown under a title."""
    lines = [" | ".join(rows[0]), "|".join(["---"] * len(rows[0]))]
    lines += [" | ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join([f"\n{title}\n", *(f"| {line} |" for line in lines)])


def in_turns(calls: dict[Any, Callable[[], Any]], repeats: int) -> dict[Any, list[float]]:
    """Seconds of each call, `repeats` times, one after another, so that noise meets all alike."""
    import jax

    seconds: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def gemm_rate(repeats: int) -> float:
    """Floating-point operations a second in products of 1024 x 1024 float32 matrices: the best seen."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((1024, 1024))
    product = jax.jit(lambda x: jnp.matmul(x, x, precision="float32"))
    jax.block_until_ready(product(matrix))
    return 2 * 1024**3 / min(in_turns({"gemm": lambda: product(matrix)}, 4 * repeats)["gemm"])


def machine_gemm_rate(repeats: int) -> float:
    """`gemm_rate` of a process that nobody told to use one thread: of the whole machine."""
    environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
    code = f"from experiments import measure; print(measure.gemm_rate({repeats}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)
