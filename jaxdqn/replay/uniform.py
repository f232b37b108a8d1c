"""Uniform replay: a ring buffer in device memory with n-step sampling."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn import returns
from jaxdqn.config import ConfigError, validate
from jaxdqn.replay import packing
from jaxdqn.transition import Transition


class Sample(NamedTuple):
    """A batch for one update."""

    batch: Transition
    """`[B, ...]`."""
    weight: jax.Array
    """`[B]` float32, factor of each loss: one, or an importance weight."""
    handle: Any
    """Passed back to `Replay.update` to identify these transitions."""


class Replay(NamedTuple):
    """The interface between collecting experience and learning from it."""

    init: Callable[[Transition], Any]
    """`(example [N, ...]) -> buffer`, empty; only shapes and dtypes of the example matter."""
    add: Callable[[Any, Transition], Any]
    """`(buffer, batch [T, N, ...]) -> buffer`; overwrites the oldest rows when full."""
    sample: Callable[[jax.Array, Any], Sample]
    """`(key, buffer) -> sample`."""
    update: Callable[[Any, Any, jax.Array], Any]
    """`(buffer, handle, priority [B]) -> buffer`: updates the priorities, if there are any."""


class Buffer(NamedTuple):
    """Ring buffer. A row is one step of all N environments, a column the history of one.

    A transition is stored as one contiguous run of words, so that sampling from a large
    buffer touches a few cache lines instead of a few per field. `next_obs` is stored beside
    `obs`: this doubles the memory for observations, and makes every row independent of the
    next one, whichever resets lie between them.
    """

    words: jax.Array
    """`[num_rows, N, W]` uint32, transitions encoded by `packing.pack`."""
    like: Transition
    """A transition of zeros without leading axes: the structure that `words` encode."""
    next_row: jax.Array
    """`[]` int32, the row written next."""
    filled_rows: jax.Array
    """`[]` int32, the number of rows that hold experience."""


def init(example: Transition, num_rows: int) -> Buffer:
    """An empty buffer of `num_rows` rows shaped like `example [N, ...]`."""
    words = jax.eval_shape(lambda x: packing.pack(x, 1), example)
    like = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), example)
    return Buffer(
        jnp.zeros((num_rows, *words.shape), words.dtype), like, jnp.int32(0), jnp.int32(0)
    )


def add(buffer: Buffer, batch: Transition) -> Buffer:
    """Writes `batch [T, N, ...]` over the oldest rows, like a `deque(maxlen=num_rows)`."""
    num_rows = buffer.words.shape[0]

    def write(buffer: Buffer, row: jax.Array) -> tuple[Buffer, None]:
        words = jax.lax.dynamic_update_index_in_dim(buffer.words, row, buffer.next_row, 0)
        next_row = (buffer.next_row + 1) % num_rows
        filled_rows = jnp.minimum(buffer.filled_rows + 1, num_rows)
        return Buffer(words, buffer.like, next_row, filled_rows), None

    return jax.lax.scan(write, buffer, packing.pack(batch, 2))[0]


def contents(buffer: Buffer) -> Transition:
    """All rows `[num_rows, N, ...]` in memory order; rows not yet written are zeros."""
    return packing.unpack(buffer.words, buffer.like)


def sample(key: jax.Array, buffer: Buffer, batch_size: int, n_step: int) -> Transition:
    """Samples `[batch_size]` n-step transitions uniformly with replacement.

    An n-step transition may start at any row. It has fewer than `n_step` steps if an episode ends
    first, or if it reaches the newest row: the row after it holds the oldest experience.

    The buffer must hold at least one row; an empty one yields zeros, since this cannot be
    checked under `jax.jit`. `training.dqn` fills it before the first update.
    """
    num_envs = buffer.words.shape[1]
    filled = (buffer.filled_rows * num_envs).astype(jnp.uint32)
    # `bits % filled` needs half the random bits of `randint`. It makes some transitions more likely
    # than others, by a factor of about 1 + filled / 2^32: for 200,000 transitions 1 in 21,000.
    index = (jax.random.bits(key, (batch_size,)) % filled).astype(jnp.int32)
    return gather(buffer, index // num_envs, index % num_envs, n_step)


def gather(buffer: Buffer, row: jax.Array, column: jax.Array, n_step: int) -> Transition:
    """The n-step transitions `[B]` that start at `row [B]` of environment `column [B]`."""
    num_rows = buffer.words.shape[0]
    newest = (buffer.next_row - 1) % num_rows
    # The n rows from each start on, `[n, B]`.
    rows = (row[None] + jnp.arange(n_step)[:, None]) % num_rows
    steps = packing.unpack(buffer.words[rows, column[None]], buffer.like)
    fold = returns.n_step(steps.reward, steps.discount, steps.done | (rows == newest))
    last = fold.last, jnp.arange(row.shape[0])
    return Transition(
        obs=steps.obs[0],
        action=steps.action[0],
        reward=fold.reward,
        discount=fold.discount,
        done=steps.done[last],
        next_obs=steps.next_obs[last],
    )


def uniform(buffer_size: int, batch_size: int, n_step: int = 1) -> Replay:
    """Uniform replay of the last `buffer_size` transitions, rounded up to a multiple of N; Lin (1992).

    Raises `ConfigError` for numbers below 1, and from `init` if fewer than `n_step` rows fit.
    """
    validate(buffer_size=buffer_size, batch_size=batch_size, n_step=n_step)

    def init_rows(example: Transition) -> Buffer:
        num_envs = example.reward.shape[0]
        num_rows = -(-buffer_size // num_envs)
        if num_rows < n_step:
            rule = f"must hold num_envs * n_step ({num_envs * n_step})."
            raise ConfigError("buffer_size", buffer_size, rule)
        return init(example, num_rows)

    def sample_uniform(key: jax.Array, buffer: Buffer) -> Sample:
        batch = sample(key, buffer, batch_size, n_step)
        return Sample(batch, weight=jnp.ones(batch_size), handle=())

    def update(buffer: Buffer, handle: Any, priority: jax.Array) -> Buffer:
        del handle, priority
        return buffer

    return Replay(init_rows, add, sample_uniform, update)
