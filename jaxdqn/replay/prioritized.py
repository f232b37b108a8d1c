"""Prioritized experience replay, Schaul et al. (2016), arXiv:1511.05952."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn.config import require, validate
from jaxdqn.replay import sum_tree
from jaxdqn.replay.uniform import Buffer, Replay, Sample, gather, uniform
from jaxdqn.transition import Transition


class PrioritizedBuffer(NamedTuple):
    """A ring buffer and a sum tree over the priorities of its transitions."""

    ring: Buffer
    levels: sum_tree.Levels
    """Leaf `row * N + column` is `p^alpha` of one transition; 0 if it is not yet written."""
    max_priority: jax.Array
    """`[]` float32, the largest leaf so far and at least 1, assigned to new transitions."""
    num_updates: jax.Array
    """`[]` int32, batches whose priorities were updated: the argument of the schedule `beta`."""


def prioritized(
    buffer_size: int,
    batch_size: int,
    n_step: int = 1,
    alpha: float | jax.Array = 0.6,
    beta: optax.ScalarOrSchedule = 0.4,
    floor: float = 1e-6,
) -> Replay:
    """Samples transition i with probability `P(i) = p_i^alpha / Σ p^alpha`, where `p` is its priority plus `floor`.

    The loss of transition i is weighted by `(1 / P(i))^beta`, divided by the largest of the batch.
    `alpha` 0 samples uniformly. `beta`, a number or a schedule against updates, corrects the bias
    fully where it is 1; the paper lets it rise to 1 linearly. New transitions get the largest
    priority so far. A non-finite priority leaves the old one unchanged. Raises `ConfigError` for an
    invalid exponent or floor, and otherwise as `uniform` does.
    """
    validate(priority_alpha=alpha)
    if not callable(beta):
        validate(priority_beta=beta)
    require("floor", floor, lambda x: x > 0, "must be above 0.")
    ring = uniform(buffer_size, batch_size, n_step)

    def init(example: Transition) -> PrioritizedBuffer:
        buffer = ring.init(example)
        num_rows, num_envs, _ = buffer.words.shape
        levels = sum_tree.init(num_rows * num_envs)
        return PrioritizedBuffer(buffer, levels, jnp.float32(1.0), jnp.int32(0))

    def add(buffer: PrioritizedBuffer, batch: Transition) -> PrioritizedBuffer:
        num_rows, num_envs, _ = buffer.ring.words.shape
        first = buffer.ring.next_row
        written = (first + jnp.arange(batch.reward.shape[0])) % num_rows
        leaf = (written[:, None] * num_envs + jnp.arange(num_envs)[None]).ravel()
        priority = jnp.full(leaf.shape, buffer.max_priority)
        levels = sum_tree.write(buffer.levels, leaf, priority)
        return buffer._replace(ring=ring.add(buffer.ring, batch), levels=levels)

    def sample(key: jax.Array, buffer: PrioritizedBuffer) -> Sample:
        num_envs = buffer.ring.words.shape[1]
        leaf, priority = sum_tree.sample(key, buffer.levels, batch_size)
        batch = gather(buffer.ring, leaf // num_envs, leaf % num_envs, n_step)
        exponent = beta(buffer.num_updates) if callable(beta) else beta
        weight = (jnp.sum(buffer.levels[0]) / priority) ** exponent
        return Sample(batch, weight / jnp.max(weight), handle=(leaf, priority))

    def update(buffer: PrioritizedBuffer, handle: Any, priority: jax.Array) -> PrioritizedBuffer:
        leaf, before = handle
        priority = ((priority + floor) ** alpha).astype(buffer.max_priority.dtype)
        # Reading `before` also orders this write after the read; otherwise XLA copies the leaves.
        priority = jnp.where(jnp.isfinite(priority), priority, before)
        return buffer._replace(
            levels=sum_tree.write(buffer.levels, leaf, priority),
            max_priority=jnp.maximum(buffer.max_priority, jnp.max(priority)),
            num_updates=buffer.num_updates + 1,
        )

    return Replay(init, add, sample, update)
