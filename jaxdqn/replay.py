"""What is remembered, and what is drawn from it? A ring of rows in device memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn import packing, returns
from jaxdqn.transition import Transition


class Sample(NamedTuple):
    """What one update learns from."""

    batch: Transition
    """`[B, ...]`."""
    weight: jax.Array
    """`[B]` float32, factor of each loss: one, or an importance weight."""
    handle: Any
    """What `Replay.update` needs to find these transitions again."""


class Replay(NamedTuple):
    """The seam between experience and learning."""

    init: Callable[[Transition], Any]
    """`(example [N, ...]) -> buffer`, empty; only shapes and dtypes of the example matter."""
    add: Callable[[Any, Transition], Any]
    """`(buffer, batch [T, N, ...]) -> buffer`: the oldest rows make room."""
    sample: Callable[[jax.Array, Any], Sample]
    """`(key, buffer) -> sample`."""
    update: Callable[[Any, Any, jax.Array], Any]
    """`(buffer, handle, td_error [B]) -> buffer`: what the errors teach the sampler."""


class Buffer(NamedTuple):
    """A ring. One row is one step of all N worlds, so a column is a world's history.

    A transition is kept as one run of words: a draw from a large ring costs a few
    cache lines instead of a few for each field. `next_obs` is stored beside `obs`: twice the
    observation memory, and in return every row stands alone, whatever resets lie
    between it and the next.
    """

    words: jax.Array
    """`[num_rows, N, W]` uint32: `packing.pack` of transitions."""
    like: Transition
    """A transition of zeros, without leading axes: what the words stand for."""
    next_row: jax.Array
    """`[]` int32, the row written next."""
    filled_rows: jax.Array
    """`[]` int32, rows that hold experience: all, once the ring has gone round."""


def init(example: Transition, num_rows: int) -> Buffer:
    """An empty ring of `num_rows` rows shaped like `example [N, ...]`."""
    words = jax.eval_shape(lambda x: packing.pack(x, 1), example)
    like = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), example)
    return Buffer(
        jnp.zeros((num_rows, *words.shape), words.dtype), like, jnp.int32(0), jnp.int32(0)
    )


def add(buffer: Buffer, batch: Transition) -> Buffer:
    """Writes `batch [T, N, ...]` row by row over the oldest, as a `deque(maxlen=num_rows)` would."""
    num_rows = buffer.words.shape[0]

    def write(buffer: Buffer, row: jax.Array) -> tuple[Buffer, None]:
        words = jax.lax.dynamic_update_index_in_dim(buffer.words, row, buffer.next_row, 0)
        next_row = (buffer.next_row + 1) % num_rows
        filled_rows = jnp.minimum(buffer.filled_rows + 1, num_rows)
        return Buffer(words, buffer.like, next_row, filled_rows), None

    return jax.lax.scan(write, buffer, packing.pack(batch, 2))[0]


def contents(buffer: Buffer) -> Transition:
    """All rows `[num_rows, N, ...]`, in the order of memory; those not yet written are zeros."""
    return packing.unpack(buffer.words, buffer.like)


def sample(key: jax.Array, buffer: Buffer, batch_size: int, n_step: int) -> Transition:
    """Draws transitions `[batch_size]` uniformly, with replacement, each of up to `n_step` steps.

    A draw starts at any row; it ends early at an episode's end and at the row
    written last, beyond which the ring holds the oldest experience, or nothing.

    The buffer must hold at least one row: under `jax.jit` that cannot be checked,
    and an empty one yields zeros. `training.dqn` fills it before the first draw.
    """
    num_envs = buffer.words.shape[1]
    filled = (buffer.filled_rows * num_envs).astype(jnp.uint32)
    # Half the bits of `randint`: of n transitions some are drawn more often than others, by a
    # fraction n / 2^32, for the default's 50,000 one in 86,000.
    index = (jax.random.bits(key, (batch_size,)) % filled).astype(jnp.int32)
    return gather(buffer, index // num_envs, index % num_envs, n_step)


def gather(buffer: Buffer, start: jax.Array, world: jax.Array, n_step: int) -> Transition:
    """The transitions `[B]` of up to `n_step` steps that begin at `start [B]`, `world [B]`."""
    num_rows = buffer.words.shape[0]
    newest = (buffer.next_row - 1) % num_rows
    # The n rows from each start on, `[n, B]`.
    row = (start[None] + jnp.arange(n_step)[:, None]) % num_rows
    steps = packing.unpack(buffer.words[row, world[None]], buffer.like)
    fold = returns.n_step(steps.reward, steps.discount, steps.finished | (row == newest))
    last = fold.last, jnp.arange(start.shape[0])
    return Transition(
        obs=steps.obs[0],
        action=steps.action[0],
        reward=fold.reward,
        discount=fold.discount,
        finished=steps.finished[last],
        next_obs=steps.next_obs[last],
    )


def uniform(capacity: int, batch_size: int, n_step: int = 1) -> Replay:
    """Uniform replay of `capacity` transitions (a multiple of the worlds), Lin (1992)."""

    def init_rows(example: Transition) -> Buffer:
        num_envs = example.reward.shape[0]
        if capacity % num_envs or capacity < num_envs:
            raise ValueError(
                f"capacity ({capacity}) must be a positive multiple of the worlds ({num_envs})."
            )
        return init(example, capacity // num_envs)

    def sample_uniform(key: jax.Array, buffer: Buffer) -> Sample:
        batch = sample(key, buffer, batch_size, n_step)
        return Sample(batch, weight=jnp.ones(batch_size), handle=())

    def update(buffer: Buffer, handle: Any, td_error: jax.Array) -> Buffer:
        del handle, td_error
        return buffer

    return Replay(init_rows, add, sample_uniform, update)
