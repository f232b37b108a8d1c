"""Prioritized replay: priorities of transitions, sampled batches and their weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import chain, numbered
from helpers.training import ROWS, ring_sized_work

from jaxdqn import agents, networks, replay, training
from jaxdqn.config import ConfigError
from jaxdqn.replay import sum_tree

EXAMPLE = jax.tree.map(lambda x: x[0], numbered(0, 1, 4))


def filled(num_rows, buffer_size=400, **options):
    memory = replay.prioritized(buffer_size, batch_size=64, **options)
    memory = type(memory)(*map(jax.jit, memory))
    return memory, memory.add(memory.init(EXAMPLE), numbered(0, num_rows, 4))


def priorities(buffer, size):
    """Of the first `size` transitions, those not yet written included."""
    return np.asarray(buffer.levels[-1]).ravel()[:size]


def update(memory, buffer, leaf, td_error):
    """Updates the transitions `leaf` as if they had been sampled now."""
    before = priorities(buffer, 400)[leaf]
    return memory.update(buffer, (leaf, jnp.array(before)), td_error)


def test_rows_not_yet_written_are_never_sampled():
    _, buffer = filled(num_rows=3)
    leaf, priority = sum_tree.sample(jax.random.key(2), buffer.levels, 100_000)
    assert int(leaf.max()) < 12 and float(priority.min()) > 0
    assert len(np.unique(np.asarray(leaf))) == 12


def test_new_transitions_get_the_largest_priority():
    memory, buffer = filled(num_rows=2, alpha=1.0, floor=1e-3)
    buffer = update(memory, buffer, jnp.array([5]), jnp.array([7.0]))
    np.testing.assert_allclose(buffer.max_priority, 7.001)
    buffer = memory.add(buffer, numbered(2, 1, 4))
    np.testing.assert_allclose(priorities(buffer, 12)[8:], np.full(4, 7.001), rtol=1e-6)
    # Also those that overwrite others: the ring has 100 rows of 4, so row 100 is row 0 again.
    buffer = update(memory, buffer, jnp.array([0]), jnp.array([0.1]))
    buffer = memory.add(buffer, numbered(3, 98, 4))
    np.testing.assert_allclose(priorities(buffer, 4), np.full(4, 7.001), rtol=1e-6)


def test_sampled_transitions_are_those_of_the_sampled_leaves():
    memory, buffer = filled(num_rows=7)
    sample = memory.sample(jax.random.key(3), buffer)
    row, env = np.divmod(np.asarray(sample.handle[0]), 4)
    np.testing.assert_array_equal(sample.batch.reward, 100.0 * row + env + 0.25)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, [1, 1, 1]), (1.0, [1, 0.5, 0.25])])
def test_importance_weights(beta, expected):
    memory, buffer = filled(num_rows=2, alpha=1.0, beta=beta, floor=1e-9)
    buffer = update(memory, buffer, jnp.arange(8), jnp.array([2.0, 4.0, 8.0, 2, 2, 2, 2, 2]))
    sample = memory.sample(jax.random.key(4), buffer)
    assert np.all(np.isfinite(sample.weight)) and np.max(sample.weight) == 1.0
    for leaf, weight in enumerate(expected):
        found = np.asarray(sample.weight)[np.asarray(sample.handle[0]) == leaf]
        np.testing.assert_allclose(found, np.full(len(found), weight), rtol=1e-5)


def test_beta_follows_its_schedule_against_updates():
    """From 0 to 1 in two updates; weights of priorities 2 and 4 relative to each other are 1, 2^-0.5, 2^-1."""
    memory, buffer = filled(num_rows=2, alpha=1.0, floor=1e-9, beta=lambda n: jnp.minimum(n / 2, 1))
    buffer = buffer._replace(
        levels=sum_tree.write(buffer.levels, jnp.arange(8), jnp.array([2.0, 4, 2, 2, 2, 2, 2, 2]))
    )
    for expected in (1.0, 0.5**0.5, 0.5, 0.5):
        sample = memory.sample(jax.random.key(4), buffer)
        found = np.asarray(sample.weight)[np.asarray(sample.handle[0]) == 1]
        np.testing.assert_allclose(found, np.full(len(found), expected), rtol=1e-5)
        assert len(found) > 0
        _leaf, priority = sample.handle
        buffer = memory.update(buffer, sample.handle, priority)


def test_alpha_zero_gives_equal_priorities():
    memory, buffer = filled(num_rows=2, alpha=0.0)
    buffer = update(memory, buffer, jnp.arange(8), jnp.arange(8.0))
    np.testing.assert_array_equal(priorities(buffer, 8), np.ones(8))


@pytest.mark.parametrize("error", [np.nan, np.inf])
def test_a_non_finite_error_leaves_the_priority_unchanged(error):
    memory, buffer = filled(num_rows=2)
    buffer = update(memory, buffer, jnp.array([1]), jnp.array([error]))
    assert np.isfinite(buffer.max_priority)
    np.testing.assert_array_equal(priorities(buffer, 8), np.ones(8))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"alpha": 1.5}, r"priority_alpha \(1.5\) must lie in \[0, 1\]"),
        ({"beta": -0.1}, r"priority_beta \(-0.1\) must lie in \[0, 1\]"),
        ({"floor": 0.0}, r"floor \(0.0\) must be above 0"),
    ],
)
def test_invalid_hyperparameters_raise_config_errors(option, message):
    with pytest.raises(ConfigError, match=message):
        replay.prioritized(400, 64, **option)


@pytest.mark.parametrize("layout", ["alone", "vmap"])
def test_the_compiled_loop_copies_neither_ring_nor_priorities(layout):
    trainer = training.dqn(
        chain(4),
        agents.dqn(networks.QNetwork(networks.mlp(()), 2)),
        replay.prioritized(4 * ROWS, 32, n_step=3),
        optax.sgd(0.1),
        lambda env_steps: 1.0,
        learning_starts=80,
    )
    program = partial(training.run, trainer, num_iterations=10)
    init, key = trainer.init, jax.random.key(0)
    if layout == "vmap":
        program, init, key = jax.vmap(program), jax.vmap(init), jax.random.split(key, 3)
    with jax.debug_key_reuse(False):
        state = jax.eval_shape(init, key)
        compiled = jax.jit(program, donate_argnums=0).lower(state).compile()
    leaf_rows = sum_tree.init(4 * ROWS)[-1].shape[0]
    assert ring_sized_work(compiled, ROWS) == ring_sized_work(compiled, leaf_rows) == []
