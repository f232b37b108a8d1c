"""Part `checkpoints` of the benchmark: time to save and to restore a checkpoint."""

import tempfile
import time
from pathlib import Path

import jax

from experiments.benchmark.measure import Part, cell, medians
from experiments.benchmark.workload import MakeWork
from experiments.results.markdown import table
from jaxdqn.runs.checkpoint import Checkpoints
from jaxdqn.training import session

LARGE = 100_000_000
"""Approximate bytes of replay in the larger of the two states."""
TRANSITION_BYTES = 48


def measure(make_work: MakeWork, repeats: int) -> Part:
    """Seconds per checkpoint of one agent, for the default size of the replay buffer and a large one.

    `blocked_seconds` is the time until `save` returns and training can continue,
    `write_seconds` the time until the files are complete, both from the call of `save`.
    """
    rows = []
    for buffer_size in (make_work().config.buffer_size, LARGE // TRANSITION_BYTES):
        work = make_work(buffer_size=buffer_size - buffer_size % 40)
        trainer = work.make_trainer(work.config)
        state = jax.jit(lambda key, trainer=trainer: session.init(key, trainer))(jax.random.key(0))
        num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        blocked, write, restore = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            for repeat in range(1, repeats + 2):
                log = [{"chunk": repeat}]
                with Checkpoints(Path(folder), 1, score=lambda row: 0.0) as checkpoints:
                    start = time.perf_counter()
                    checkpoints.save(repeat, state, log)
                    saved = time.perf_counter()
                    checkpoints.wait()
                    written = time.perf_counter()
                    jax.block_until_ready(checkpoints.restore(state))
                    restored = time.perf_counter()
                if repeat > 1:  # The first repeat includes imports.
                    blocked.append(saved - start)
                    write.append(written - start)
                    restore.append(restored - written)
        seconds = medians(blocked_seconds=blocked, write_seconds=write, restore_seconds=restore)
        rows.append({"part": "checkpoints", "bytes": num_bytes} | seconds)
    shown = [
        {
            "state": f"{row['bytes'] / 1e6:,.1f} MB",
            "training blocked": cell(row, "blocked_seconds", " ms", 1e3),
            "written after": cell(row, "write_seconds", " ms", 1e3),
            "restored in": cell(row, "restore_seconds", " ms", 1e3),
        }
        for row in rows
    ]
    return rows, table("Checkpoints of one agent, with checksums", shown)
