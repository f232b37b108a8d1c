"""How long does a save take, and a restore? A part of benchmark.py."""

import tempfile
import time
from pathlib import Path

from experiments.measure import Part, cell, middle, table
from experiments.workload import Work

LARGE = 100_000_000
"""Bytes of replay in the larger of the two states, about."""


def measure(make_work, repeats: int) -> Part:
    """Seconds that the training waits for a save, that its writing takes, and a restore: two sizes."""
    import jax

    from jaxdqn import session
    from jaxdqn.runs import checkpoint

    rows = []
    for capacity in (make_work().config.capacity, LARGE // 48):
        work: Work = make_work(capacity=capacity - capacity % 40)
        trainer = work.make_trainer(work.config)
        state = jax.jit(lambda key, trainer=trainer: session.init(key, trainer))(jax.random.key(0))
        num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        seconds: dict[str, list[float]] = {"held_up": [], "written": [], "restored": []}
        with tempfile.TemporaryDirectory() as folder:
            for repeat in range(1, repeats + 2):
                log = [{"chunk": repeat}]
                with checkpoint.Checkpoints(Path(folder), 1, score=lambda row: 0.0) as saves:
                    start = time.perf_counter()
                    saves.save(repeat, state, log)
                    held_up = time.perf_counter()
                    saves.wait()
                    written = time.perf_counter()
                    jax.block_until_ready(saves.restore(state))
                    restored = time.perf_counter()
                if repeat > 1:  # The first one imports what it needs.
                    seconds["held_up"].append(held_up - start)
                    seconds["written"].append(written - start)
                    seconds["restored"].append(restored - written)
        rows.append({"part": "saves", "bytes": num_bytes} | middle(**seconds))
    shown = [
        {
            "state": f"{row['bytes'] / 1e6:,.1f} MB",
            "training waits": cell(row, "held_up", " ms", 1e3),
            "written after": cell(row, "written", " ms", 1e3),
            "restored in": cell(row, "restored", " ms", 1e3),
        }
        for row in rows
    ]
    return rows, table("A save and a restore of one agent, with their checksums", shown)
