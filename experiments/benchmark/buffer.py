"""Part `buffer` of the benchmark: time of an iteration by the size of the replay buffer."""

from experiments.benchmark.measure import Part, cell, in_turns, medians
from experiments.benchmark.workload import ITERATIONS, MakeWork, Training
from experiments.results.markdown import table

SIZES = (10_000, 100_000, 1_000_000)
"""Transitions; the first is the one that the others are compared with."""


def measure(make_work: MakeWork, repeats: int) -> Part:
    """Seconds per iteration of one agent with full replay buffers of `SIZES`."""
    runs = {size: Training(make_work(buffer_size=size), 1) for size in SIZES}
    for run in runs.values():
        run.mark_full()
    seconds = in_turns(dict(runs), 2 * repeats + 1)
    iteration = {size: [s / ITERATIONS for s in times[1:]] for size, times in seconds.items()}
    rows = [
        {"part": "buffer", "buffer_size": size}
        | medians(
            iteration_seconds=times,
            ratio=[x / y for x, y in zip(times, iteration[SIZES[0]], strict=True)],
        )
        for size, times in iteration.items()
    ]
    shown = [
        {
            "buffer size": f"{row['buffer_size']:,}",
            "one iteration": cell(row, "iteration_seconds", " µs", 1e6),
            f"relative to {SIZES[0]:,}": cell(row, "ratio"),
        }
        for row in rows
    ]
    return rows, table("Full replay buffers of several sizes", shown)
