"""What is drawn more often? Replay in proportion to the errors, Schaul et al. (2016), arXiv:1511.05952."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn import replay
from jaxdqn.config import require
from jaxdqn.replay import Buffer, Replay, Sample
from jaxdqn.transition import Transition

WIDTH = 8
"""Children of a node of the tree. On a CPU 8 draws and writes four times as fast as 64, at every
size and under `vmap`, and faster than a cumulative sum, in blocks of √n or over everything."""


class PrioritizedBuffer(NamedTuple):
    """A ring and a tree of sums over the priorities of its transitions."""

    ring: Buffer
    levels: tuple[jax.Array, ...]
    """From the root's children `[1, W]` to the leaves `[., W]`, W = `WIDTH`: node j of a level
    is the sum of row j of the next. Leaf `row * N + world` is a transition's; unwritten ones are 0."""
    largest: jax.Array
    """`[]` float32, the largest priority so far: what new transitions get."""


def prioritized(
    capacity: int,
    batch_size: int,
    n_step: int = 1,
    alpha: float | jax.Array = 0.6,
    beta: float | jax.Array = 0.4,
    floor: float = 1e-6,
) -> Replay:
    """Draws transition i with probability `P(i) = p_i / Σ p`, `p = (|δ| + floor)^alpha`.

    Its loss is weighted by `(1 / P(i))^beta`, divided by the largest of the batch, so
    that weights lie in (0, 1]. `alpha` 0 draws uniformly, `beta` 1 corrects fully.
    An error that is not finite leaves its priority as it was.
    """
    require("alpha", alpha, lambda x: 0 <= x <= 1, "must lie in [0, 1].")
    require("beta", beta, lambda x: 0 <= x <= 1, "must lie in [0, 1].")
    require("floor", floor, lambda x: x > 0, "must be above 0.")
    uniform = replay.uniform(capacity, batch_size, n_step)

    def init(example: Transition) -> PrioritizedBuffer:
        return PrioritizedBuffer(uniform.init(example), empty_tree(capacity), jnp.float32(1.0))

    def add(buffer: PrioritizedBuffer, batch: Transition) -> PrioritizedBuffer:
        num_rows, num_envs, _ = buffer.ring.words.shape
        first = buffer.ring.next_row
        written = (first + jnp.arange(batch.reward.shape[0])) % num_rows
        leaf = (written[:, None] * num_envs + jnp.arange(num_envs)[None]).ravel()
        levels = write(buffer.levels, leaf, jnp.full(leaf.shape, buffer.largest))
        return PrioritizedBuffer(uniform.add(buffer.ring, batch), levels, buffer.largest)

    def sample(key: jax.Array, buffer: PrioritizedBuffer) -> Sample:
        num_envs = buffer.ring.words.shape[1]
        leaf, priority = draw(key, buffer.levels, batch_size)
        batch = replay.gather(buffer.ring, leaf // num_envs, leaf % num_envs, n_step)
        # The total and the size cancel in the division by the largest weight.
        weight = (jnp.min(priority) / priority) ** beta
        return Sample(batch, weight, handle=(leaf, priority))

    def update(buffer: PrioritizedBuffer, handle: Any, td_error: jax.Array) -> PrioritizedBuffer:
        leaf, before = handle
        priority = (jnp.abs(td_error) + floor) ** alpha
        # Also puts the write after the read of `before`, without which all leaves are copied.
        priority = jnp.where(jnp.isfinite(priority), priority, before)
        largest = jnp.maximum(buffer.largest, jnp.max(priority))
        return PrioritizedBuffer(buffer.ring, write(buffer.levels, leaf, priority), largest)

    return Replay(init, add, sample, update)


def empty_tree(num_leaves: int, width: int = WIDTH) -> tuple[jax.Array, ...]:
    """Levels of a tree with room for `num_leaves`, all zero."""
    sizes = [-(-num_leaves // width)]
    while sizes[0] > 1:
        sizes.insert(0, -(-sizes[0] // width))
    return tuple(jnp.zeros((size, width)) for size in sizes)


def write(
    levels: tuple[jax.Array, ...], leaf: jax.Array, priority: jax.Array
) -> tuple[jax.Array, ...]:
    """Sets leaves `[B]` to priorities `[B]`, and adds up anew every node above them.

    Sums are never corrected by differences, so errors of rounding do not gather. Of
    one leaf given twice one value is kept, and all sums are right for it.
    """
    width = levels[0].shape[-1]
    values, node, written = priority, leaf, []
    for level in reversed(levels):
        level = level.at[node // width, node % width].set(values)
        written.insert(0, level)
        node = node // width
        values = jnp.sum(level[node], axis=-1)
    return tuple(written)


def draw(
    key: jax.Array, levels: tuple[jax.Array, ...], batch_size: int
) -> tuple[jax.Array, jax.Array]:
    """Leaves `[batch_size]`, each with probability its share of the sum, and their priorities.

    Goes down from the root: at each node a draw of its own among `width` sums, so that
    no float32 has to point at one leaf of a million. A priority of 0 is never drawn.
    """
    width = levels[0].shape[-1]
    node = jnp.zeros(batch_size, jnp.int32)
    dice = jax.random.uniform(key, (len(levels), batch_size))
    for level, u in zip(levels, dice, strict=True):
        ends = jnp.cumsum(level[node], axis=-1)
        # The first child that ends beyond the point: one of width 0 never does.
        point = u * ends[:, -1]
        child = jnp.sum(ends <= point[:, None], axis=-1)
        # Rounding may put the point at the very end: then the last child of any width.
        last = jnp.sum(ends < ends[:, -1:], axis=-1)
        node = node * width + jnp.minimum(child, last).astype(jnp.int32)
    return node, levels[-1][node // width, node % width]
