"""What is remembered, and what is drawn from it? A ring of rows in device memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn import returns
from jaxdqn.transition import Transition

MAX_ROWS = 2**23
"""What a draw of `sample` can tell apart."""


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

    `next_obs` is stored beside `obs`: twice the observation memory, and in return
    every row stands alone, whatever resets lie between it and the next.
    """

    data: Transition
    """Leaves `[num_rows, N, ...]`."""
    next_row: jax.Array
    """`[]` int32, the row written next."""
    filled_rows: jax.Array
    """`[]` int32, rows that hold experience: all, once the ring has gone round."""


def init(example: Transition, num_rows: int) -> Buffer:
    """An empty ring of `num_rows` rows shaped like `example [N, ...]`."""
    data = jax.tree.map(lambda x: jnp.zeros((num_rows, *x.shape), x.dtype), example)
    return Buffer(data, next_row=jnp.int32(0), filled_rows=jnp.int32(0))


def add(buffer: Buffer, batch: Transition) -> Buffer:
    """Writes `batch [T, N, ...]` row by row over the oldest, as a `deque(maxlen=num_rows)` would."""
    num_rows = buffer.data.reward.shape[0]

    def write(buffer: Buffer, row: Transition) -> tuple[Buffer, None]:
        data = jax.tree.map(
            lambda ring, x: jax.lax.dynamic_update_index_in_dim(ring, x, buffer.next_row, 0),
            buffer.data,
            row,
        )
        next_row = (buffer.next_row + 1) % num_rows
        filled_rows = jnp.minimum(buffer.filled_rows + 1, num_rows)
        return Buffer(data, next_row, filled_rows), None

    return jax.lax.scan(write, buffer, batch)[0]


def sample(key: jax.Array, buffer: Buffer, batch_size: int, n_step: int) -> Transition:
    """Draws transitions `[batch_size]` uniformly, with replacement, each of up to `n_step` steps.

    A draw starts at any row; it ends early at an episode's end and at the row
    written last, beyond which the ring holds the oldest experience, or nothing.

    The buffer must hold at least one row: under `jax.jit` that cannot be checked,
    and an empty one yields zeros. `training.dqn` fills it before the first draw.
    """
    num_envs = buffer.data.reward.shape[1]
    # A third of the cost of `randint`. `uniform` knows 2^23 values, so of R rows some are
    # drawn more often than others by at most R / 2^23: 0.1 % of the default's 6,250.
    draw = jax.random.uniform(key, (2, batch_size))
    start = (draw[0] * buffer.filled_rows).astype(jnp.int32)
    world = (draw[1] * num_envs).astype(jnp.int32)
    return gather(buffer, start, world, n_step)


def gather(buffer: Buffer, start: jax.Array, world: jax.Array, n_step: int) -> Transition:
    """The transitions `[B]` of up to `n_step` steps that begin at `start [B]`, `world [B]`."""
    num_rows = buffer.data.reward.shape[0]
    newest = (buffer.next_row - 1) % num_rows
    # The n rows from each start on, `[n, B]`.
    row, column = (start[None] + jnp.arange(n_step)[:, None]) % num_rows, world[None]
    fold = returns.n_step(
        reward=buffer.data.reward[row, column],
        discount=buffer.data.discount[row, column],
        stop=buffer.data.finished[row, column] | (row == newest),
    )
    last = (start + fold.last) % num_rows
    return Transition(
        obs=buffer.data.obs[start, world],
        action=buffer.data.action[start, world],
        reward=fold.reward,
        discount=fold.discount,
        finished=buffer.data.finished[last, world],
        next_obs=buffer.data.next_obs[last, world],
    )


def uniform(capacity: int, batch_size: int, n_step: int = 1) -> Replay:
    """Uniform replay of `capacity` transitions (a multiple of the worlds), Lin (1992)."""

    def init_rows(example: Transition) -> Buffer:
        num_envs = example.reward.shape[0]
        if capacity % num_envs or capacity < num_envs:
            raise ValueError(
                f"capacity ({capacity}) must be a positive multiple of the worlds ({num_envs})."
            )
        if capacity // num_envs > MAX_ROWS:
            raise ValueError(
                f"capacity ({capacity}) must be at most {MAX_ROWS} rows of {num_envs}."
            )
        return init(example, capacity // num_envs)

    def sample_uniform(key: jax.Array, buffer: Buffer) -> Sample:
        batch = sample(key, buffer, batch_size, n_step)
        return Sample(batch, weight=jnp.ones(batch_size), handle=())

    def update(buffer: Buffer, handle: Any, td_error: jax.Array) -> Buffer:
        del handle, td_error
        return buffer

    return Replay(init_rows, add, sample_uniform, update)
