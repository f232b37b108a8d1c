"""Uniform replay: the ring buffer against a deque, samples against an enumeration."""

from collections import deque
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdqn import replay
from jaxdqn.config import ConfigError
from jaxdqn.replay.uniform import add, init, sample

init = jax.jit(init, static_argnums=1)
add = jax.jit(add)
contents = jax.jit(replay.contents)
gather = jax.jit(replay.gather, static_argnums=3)
example = partial(numbered, 0, 1)


def rows_of(buffer):
    """The rows of a ring buffer, oldest first."""
    filled, num_rows = int(buffer.filled_rows), buffer.words.shape[0]
    order = [(int(buffer.next_row) - filled + i) % num_rows for i in range(filled)]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[order], contents(buffer))


def rows(batch):
    """The steps of `batch [T, ...]`, one by one."""
    leaves, structure = jax.tree.flatten(batch)
    return [structure.unflatten(row) for row in zip(*leaves, strict=True)]


def empty(num_rows, num_envs):
    return init(jax.tree.map(lambda x: x[0], example(num_envs)), num_rows)


@settings(max_examples=40)
@given(
    num_rows=st.integers(1, 6),
    num_envs=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 8), max_size=6),
)
def test_the_ring_buffer_is_a_deque(num_rows, num_envs, lengths):
    buffer, oracle, count = empty(num_rows, num_envs), deque(maxlen=num_rows), 0
    for length in lengths:
        batch = numbered(count, length, num_envs)
        buffer = add(buffer, batch)
        oracle.extend(rows(batch))
        count += length
    assert int(buffer.filled_rows) == len(oracle)
    for held, row in zip(rows(rows_of(buffer)), oracle, strict=True):
        jax.tree.map(np.testing.assert_array_equal, held, row)


def n_step_by_loop(history, t, env, n):
    """A loop over rows, oldest first, to the end of the episode, of the n steps or of the rows."""
    total, weight = np.float32(0), np.float32(1)
    for k in range(t, min(t + n, len(history))):
        row = history[k]
        total += weight * row.reward[env]
        weight *= row.discount[env]
        if row.done[env]:
            break
    return total, weight, history[k].next_obs[env], history[k].done[env]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("written", [1, 3, 5, 6, 8, 13])
def test_n_step_transitions_equal_the_loop(written, n):
    """Every start in every environment: termination, truncation, wrap-around, the newest row."""
    rng = np.random.default_rng(written)
    num_rows, num_envs = 5, 4
    ending = rng.choice(["running", "truncated", "terminated", "both"], (written, num_envs))
    batch = numbered(
        0,
        written,
        num_envs,
        discount=np.where((ending == "terminated") | (ending == "both"), 0, 0.5).astype(np.float32),
        done=ending != "running",
    )
    buffer = add(empty(num_rows, num_envs), batch)
    history = rows(batch)[-num_rows:]
    starts, columns = np.divmod(np.arange(len(history) * num_envs), num_envs)
    oldest = (int(buffer.next_row) - len(history)) % num_rows
    found = gather(buffer, jnp.array((oldest + starts) % num_rows), jnp.array(columns), n)
    for b, (t, env) in enumerate(zip(starts, columns, strict=True)):
        total, weight, next_obs, done = n_step_by_loop(history, t, env, n)
        np.testing.assert_allclose(found.reward[b], total, rtol=1e-6)
        assert found.discount[b] == weight
        assert found.done[b] == done
        np.testing.assert_array_equal(found.next_obs[b], next_obs)
        np.testing.assert_array_equal(found.obs[b], history[t].obs[env])
        assert found.action[b] == history[t].action[env]


def test_samples_are_uniform_over_the_filled_rows():
    # 3 of 5 rows of 4 environments are filled: 12 transitions, 60,000 samples, 5,000 each.
    buffer = add(empty(5, 4), numbered(0, 3, 4))
    batch = sample(jax.random.key(0), buffer, 60_000, n_step=1)
    values, counts = np.unique(np.asarray(batch.reward), return_counts=True)
    np.testing.assert_array_equal(values, np.sort(numbered(0, 3, 4).reward.ravel()))
    # χ² with 11 degrees of freedom exceeds 31.3 once in a thousand.
    assert np.sum((counts - 5_000) ** 2 / 5_000) < 31.3


def test_an_empty_buffer_yields_zeros():
    batch = sample(jax.random.key(0), empty(3, 2), 4, n_step=2)
    assert all(not np.any(leaf) for leaf in batch)


def test_weights_are_one_and_errors_do_not_change_the_buffer():
    memory = replay.uniform(buffer_size=10, batch_size=3)
    buffer = memory.add(memory.init(jax.tree.map(lambda x: x[0], example(2))), numbered(0, 2, 2))
    found = memory.sample(jax.random.key(1), buffer)
    np.testing.assert_array_equal(found.weight, np.ones(3))
    assert memory.update(buffer, found.handle, jnp.ones(3)) is buffer


def test_a_buffer_size_is_rounded_up_to_a_multiple_of_num_envs():
    buffer = replay.uniform(10, 1).init(jax.tree.map(lambda x: x[0], example(4)))
    assert buffer.words.shape[:2] == (3, 4)


def test_a_buffer_that_cannot_hold_n_steps_raises_an_error():
    with pytest.raises(ConfigError, match=r"buffer_size \(8\) must hold num_envs \* n_step \(12\)"):
        replay.uniform(8, 1, n_step=3).init(jax.tree.map(lambda x: x[0], example(4)))
