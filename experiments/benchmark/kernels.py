"""The kernels that take most of the time of a program, from a profile by JAX."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from experiments.benchmark.measure import Row

SHOWN = 12
"""Kernels in the table."""


def measure(call: Callable[[], Any]) -> list[Row]:
    """The share of the time of `call` without a kernel, and that of each of the largest kernels."""
    jax.block_until_ready(call())  # Compiles it.
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            started = time.perf_counter()
            jax.block_until_ready(call())
            elapsed = time.perf_counter() - started
        (path,) = Path(folder).rglob("*.xplane.pb")
        seconds, calls = busy(jax.profiler.ProfileData.from_file(str(path)))
    total = sum(seconds.values())
    return [
        {"kernel": "(none is running)", "calls": 0, "share": max(1 - total / elapsed, 0.0)},
        *(
            {"kernel": name, "calls": calls[name], "share": own / max(elapsed, total)}
            for name, own in seconds.most_common(SHOWN)
        ),
    ]


def busy(profile: Any) -> tuple[Counter[str], Counter[str]]:
    """Seconds and calls of each kernel of a GPU, or of each operation of a CPU that contains no other."""
    seconds, calls = Counter(), Counter()
    for plane in profile.planes:
        for line in plane.lines:
            if not line.name.startswith(("Stream", "tf_XLAEigen")):
                continue
            for event in line.events:
                if not event.name.startswith(("while", "call", "ThunkExecutor")):
                    seconds[event.name] += event.duration_ns / 1e9
                    calls[event.name] += 1
    return seconds, calls
