"""Sum tree: sampling in proportion to priorities in logarithmic time.

Schaul et al. (2016), arXiv:1511.05952, appendix B.2.1, with `WIDTH` children per node.
"""

import jax
import jax.numpy as jnp

WIDTH = 8
"""Children per node. On a CPU, 8 samples and writes four times as fast as 64 for every size,
also under `vmap`, and faster than a cumulative sum, in blocks of √n or over everything."""

Levels = tuple[jax.Array, ...]
"""From the children of the root `[1, W]` to the leaves `[., W]`: node j of a level is the sum of row j of the next."""


def init(num_leaves: int, width: int = WIDTH) -> Levels:
    """A tree with room for `num_leaves`, all zero."""
    sizes = [-(-num_leaves // width)]
    while sizes[0] > 1:
        sizes.insert(0, -(-sizes[0] // width))
    return tuple(jnp.zeros((size, width), jnp.float32) for size in sizes)


def write(levels: Levels, leaf: jax.Array, priority: jax.Array) -> Levels:
    """Sets the leaves `leaf [B]` to `priority [B]` and recomputes every node above them.

    Nodes are recomputed as sums, not corrected by differences, so that rounding errors do
    not accumulate. If a leaf occurs twice, one of its priorities is stored.
    """
    width = levels[0].shape[-1]
    values, node, written = priority, leaf, []
    for level in reversed(levels):
        level = level.at[node // width, node % width].set(values)
        written.insert(0, level)
        node = node // width
        values = jnp.sum(level[node], axis=-1)
    return tuple(written)


def sample(key: jax.Array, levels: Levels, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Samples leaves `[batch_size]` in proportion to their priorities; returns leaves and priorities.

    Descends from the root with one random number per level, so that a float32 never has to
    resolve one leaf in a million. A leaf of priority 0 is never sampled.
    """
    width = levels[0].shape[-1]
    node = jnp.zeros(batch_size, jnp.int32)
    uniform = jax.random.uniform(key, (len(levels), batch_size))
    for level, u in zip(levels, uniform, strict=True):
        ends = jnp.cumsum(level[node], axis=-1)
        # The first child whose cumulative sum exceeds the point: never one of priority 0.
        point = u * ends[:, -1]
        child = jnp.sum(ends <= point[:, None], axis=-1)
        # If rounding moves the point to the very end, the last child of positive priority.
        last = jnp.sum(ends < ends[:, -1:], axis=-1)
        node = node * width + jnp.minimum(child, last).astype(jnp.int32)
    return node, levels[-1][node // width, node % width]
