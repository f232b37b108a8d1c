"""How long does a prioritized draw take, by a tree and by other ways? A part of benchmark.py."""

import functools
import math
from typing import Any

from experiments.measure import Part, in_turns, spread, table


def measure(repeats: int, rounds: int = 50) -> Part:
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
            rows.append({"part": "prioritized", "priorities": size, "at once": copies} | each)
    return rows, "\n".join(map(_shown, rows))


def _shown(row: dict[str, Any]) -> str:
    names = {f"tree of {math.isqrt(row['priorities'])}": "tree of √n"}
    cells = {
        names.get(name, name): spread(value, " µs", 1e6)
        for name, value in row.items()
        if isinstance(value, list)
    }
    return table(f"{row['priorities']:,} priorities, {row['at once']} at once", [cells])
