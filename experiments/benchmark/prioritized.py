"""Part `prioritized` of the benchmark: time to sample by priority, by sum trees and by a cumulative sum."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmark.measure import Part, in_turns, spread
from experiments.results.markdown import table
from jaxdqn.replay import sum_tree

BATCH_SIZE = 128


def measure(repeats: int, rounds: int = 50) -> Part:
    """Seconds to sample 128 priorities and write new ones, for one agent and for four under `vmap`."""
    rows = []
    for size in (10_000, 100_000, 1_000_000):
        full = jnp.arange(size), jnp.ones(size)
        methods: dict[str, tuple[Any, Any]] = {
            f"tree of {width}": (by_tree, sum_tree.write(tree, *full))
            for width in (8, 64, math.isqrt(size))
            for tree in [sum_tree.init(size, width)]
        } | {"cumulative sum": (by_cumulative_sum, jnp.ones(size))}
        for vmap_size in (1, 4):
            keys = jax.random.split(jax.random.key(0), (vmap_size, rounds))
            calls = {}
            for method, (function, start) in methods.items():
                run = jax.jit(jax.vmap(functools.partial(jax.lax.scan, function)))
                starts = copies(start, vmap_size)
                calls[method] = functools.partial(run, starts, keys)
            in_turns(calls, 1)
            seconds = in_turns(calls, repeats)
            each = {name: [s / rounds / vmap_size for s in seconds[name]] for name in methods}
            rows.append({"part": "prioritized", "priorities": size, "vmap_size": vmap_size} | each)
    return rows, "\n".join(map(_shown, rows))


def copies(tree: Any, number: int) -> Any:
    """The leaves of `tree` repeated along a new first axis of `number`."""
    return jax.tree.map(lambda x: jnp.stack([x] * number), tree)


def by_tree(levels: sum_tree.Levels, key: jax.Array) -> tuple[sum_tree.Levels, None]:
    """One round with a sum tree; a body of `lax.scan`."""
    leaf, priority = sum_tree.sample(key, levels, BATCH_SIZE)
    return sum_tree.write(levels, leaf, priority * 1.01), None


def by_cumulative_sum(priorities: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
    """One round with one cumulative sum over all `priorities [.]`; a body of `lax.scan`."""
    ends = jnp.cumsum(priorities)
    leaf = jnp.searchsorted(ends, jax.random.uniform(key, (BATCH_SIZE,)) * ends[-1])
    return priorities.at[leaf].multiply(1.01), None


def _shown(row: dict[str, Any]) -> str:
    names = {f"tree of {math.isqrt(row['priorities'])}": "tree of √n"}
    cells = {
        names.get(name, name): spread(value, " µs", 1e6)
        for name, value in row.items()
        if isinstance(value, list)
    }
    return table(f"{row['priorities']:,} priorities, vmap of {row['vmap_size']}", [cells])
