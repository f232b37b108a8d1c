"""Draws against priorities, sums against what they add up, and weights."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import chain, numbered
from helpers.training import ROWS, ring_sized_work
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdqn import agents, networks, replay, training
from jaxdqn.config import Config, ConfigError

write, draw = jax.jit(prioritized.write), jax.jit(prioritized.draw, static_argnums=2)
EXAMPLE = jax.tree.map(lambda x: x[0], numbered(0, 1, 4))


def filled(num_rows, buffer_size=400, **choices):
    memory = replay.prioritized(buffer_size, batch_size=64, **choices)
    buffer = jax.jit(memory.add)(memory.init(EXAMPLE), numbered(0, num_rows, 4))
    return memory, buffer


def learn(memory, buffer, leaf, td_error):
    """An update of transitions drawn at their present priority."""
    before = leaves(buffer.levels, 400)[leaf]
    return memory.update(buffer, (leaf, jnp.array(before)), td_error)


def leaves(levels, size):
    return np.asarray(levels[-1]).ravel()[:size]


@settings(max_examples=25)
@given(
    size=st.sampled_from([1, 8, 9, 64, 65, 5_000]),
    seed=st.integers(0, 2**16),
    rounds=st.integers(1, 5),
)
def test_every_node_is_the_sum_of_its_children(size, seed, rounds):
    rng, levels, oracle = np.random.default_rng(seed), sum_tree.init(size), {}
    for _ in range(rounds):
        leaf = rng.integers(0, size, 30)
        priority = rng.uniform(0, 9, 30).astype(np.float32)
        levels = write(levels, jnp.array(leaf), jnp.array(priority))
        for i in set(leaf.tolist()):
            oracle[i] = {float(p) for j, p in zip(leaf, priority, strict=True) if j == i}
    stored = leaves(levels, size)
    for i in range(size):
        assert float(stored[i]) in oracle.get(i, {0.0})
    for upper, lower in itertools.pairwise(levels):
        np.testing.assert_allclose(
            np.asarray(upper).ravel()[: len(lower)], np.sum(lower, axis=-1), rtol=1e-6
        )


@pytest.mark.parametrize("size", [50, 5_000, 300_000])
def test_draws_follow_the_priorities(size):
    # Ten classes of priority 1 to 10, spread over all leaves: class k has k / 55 of the draws.
    priority = 1.0 + jnp.arange(size) % 10
    levels = write(sum_tree.init(size), jnp.arange(size), priority)
    leaf, found = draw(jax.random.key(0), levels, 50_000)
    np.testing.assert_array_equal(found, priority[leaf])
    counts = np.bincount(np.asarray(leaf) % 10, minlength=10)
    expected = 50_000 * np.arange(1, 11) / 55
    # χ² with 9 degrees of freedom exceeds 27.9 once in a thousand.
    assert np.sum((counts - expected) ** 2 / expected) < 27.9


def test_a_small_priority_beside_huge_ones_keeps_its_share():
    # 300,000 leaves of 1 and one of 10^5: a quarter of the draws, though the sums are float32.
    size = 300_000
    levels = write(sum_tree.init(size), jnp.arange(size), jnp.ones(size))
    levels = write(levels, jnp.array([123_456]), jnp.array([1e5]))
    leaf, _ = draw(jax.random.key(1), levels, 20_000)
    share = np.mean(np.asarray(leaf) == 123_456)
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 20_000)


def test_a_row_not_written_is_never_drawn():
    _, buffer = filled(num_rows=3)
    leaf, priority = draw(jax.random.key(2), buffer.levels, 100_000)
    assert int(leaf.max()) < 12 and float(priority.min()) > 0
    assert len(np.unique(np.asarray(leaf))) == 12


def test_a_point_at_the_very_end_falls_on_the_last_that_has_priority(monkeypatch):
    levels = write(sum_tree.init(100), jnp.array([3, 70]), jnp.array([1.0, 2.0]))
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.ones(shape))
    assert sum_tree.sample(None, levels, 2)[0].tolist() == [70, 70]


def test_new_transitions_get_the_largest_priority():
    memory, buffer = filled(num_rows=2, alpha=1.0, floor=1e-3)
    buffer = learn(memory, buffer, jnp.array([5]), jnp.array([-7.0]))
    np.testing.assert_allclose(buffer.largest, 7.001)
    buffer = memory.add(buffer, numbered(2, 1, 4))
    np.testing.assert_allclose(leaves(buffer.levels, 12)[8:], np.full(4, 7.001), rtol=1e-6)
    # One overwritten is new: the ring has 100 rows of 4, so row 100 is row 0 again.
    buffer = learn(memory, buffer, jnp.array([0]), jnp.array([0.1]))
    buffer = memory.add(buffer, numbered(3, 98, 4))
    np.testing.assert_allclose(leaves(buffer.levels, 4), np.full(4, 7.001), rtol=1e-6)


def test_what_is_drawn_is_what_its_leaf_says():
    memory, buffer = filled(num_rows=7)
    sample = memory.sample(jax.random.key(3), buffer)
    row, world = np.divmod(np.asarray(sample.handle[0]), 4)
    np.testing.assert_array_equal(sample.batch.reward, 100.0 * row + world + 0.25)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, [1, 1, 1]), (1.0, [1, 0.5, 0.25])])
def test_weights_undo_the_preference_as_far_as_beta_says(beta, expected):
    memory, buffer = filled(num_rows=2, alpha=1.0, beta=beta, floor=1e-9)
    buffer = learn(memory, buffer, jnp.arange(8), jnp.array([2.0, 4.0, 8.0, 2, 2, 2, 2, 2]))
    sample = memory.sample(jax.random.key(4), buffer)
    assert np.all(np.isfinite(sample.weight)) and np.max(sample.weight) == 1.0
    for leaf, weight in enumerate(expected):
        drawn = np.asarray(sample.weight)[np.asarray(sample.handle[0]) == leaf]
        np.testing.assert_allclose(drawn, np.full(len(drawn), weight), rtol=1e-5)


def test_alpha_zero_is_uniform_whatever_the_errors():
    memory, buffer = filled(num_rows=2, alpha=0.0)
    buffer = learn(memory, buffer, jnp.arange(8), jnp.arange(8.0))
    np.testing.assert_array_equal(leaves(buffer.levels, 8), np.ones(8))


@pytest.mark.parametrize("error", [np.nan, np.inf])
def test_an_error_that_is_no_number_poisons_nothing(error):
    memory, buffer = filled(num_rows=2)
    buffer = learn(memory, buffer, jnp.array([1]), jnp.array([error]))
    assert np.isfinite(buffer.largest)
    np.testing.assert_array_equal(leaves(buffer.levels, 8), np.ones(8))


@pytest.mark.slow
def test_sums_do_not_drift_in_ten_million_updates():
    """Priorities over nine orders of magnitude, 10^7 of them, in batches of 1,000."""
    size = 5_000

    def update(carry, key):
        leaf_key, size_key = jax.random.split(key)
        leaf = jax.random.randint(leaf_key, (1_000,), 0, size)
        priority = 10.0 ** jax.random.uniform(size_key, (1_000,), minval=-6, maxval=3)
        return sum_tree.write(carry, leaf, priority), None

    with jax.debug_key_reuse(False):
        run = jax.jit(partial(jax.lax.scan, update))
        levels, _ = run(sum_tree.init(size), jax.random.split(jax.random.key(5), 10_000))
    total = np.sum(leaves(levels, size), dtype=np.float64)
    np.testing.assert_allclose(np.sum(np.asarray(levels[0]), dtype=np.float64), total, rtol=1e-6)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"alpha": 1.5}, r"alpha \(1.5\) must lie in \[0, 1\]"),
        ({"beta": -0.1}, r"beta \(-0.1\) must lie in \[0, 1\]"),
        ({"floor": 0.0}, r"floor \(0.0\) must be above 0"),
    ],
)
def test_exponents_out_of_range_are_refused(choice, message):
    with pytest.raises(ConfigError, match=message):
        replay.prioritized(400, 64, **choice)


def test_flashbax_draws_the_same_transitions_as_often():
    """A second opinion: the same priorities in the buffer of other authors."""
    flashbax = pytest.importorskip("flashbax", reason="a second opinion, not for every Python")
    size, num_keys, batch_size = 32, 400, 50
    priority = 0.5 + jnp.arange(size) % 4
    keys = jax.random.split(jax.random.key(6), num_keys)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        other = flashbax.make_prioritised_flat_buffer(64, 1, batch_size, priority_exponent=0.6)
        state, add = other.init({"number": jnp.int32(0)}), jax.jit(other.add)
        for number in range(size + 1):
            state = add(state, {"number": jnp.int32(number)})
        state = other.set_priorities(state, jnp.arange(size), priority)
        drawn = jax.jit(jax.vmap(lambda key: other.sample(state, key).experience.first["number"]))
        theirs = np.bincount(np.asarray(drawn(keys)).ravel(), minlength=size)
    levels = write(sum_tree.init(size), jnp.arange(size), priority**0.6)
    mine, _ = draw(jax.random.key(7), levels, num_keys * batch_size)
    mine = np.bincount(np.asarray(mine), minlength=size)
    # Two samples of 20,000: χ² with 31 degrees of freedom exceeds 61.1 once in a thousand.
    assert np.sum((mine - theirs) ** 2 / (mine + theirs)) < 61.1


@pytest.mark.parametrize("layout", ["alone", "vmap"])
def test_the_compiled_loop_copies_neither_ring_nor_priorities(layout):
    trainer = training.dqn(
        Config(num_envs=4, buffer_size=4 * ROWS, learning_starts=80, batch_size=32),
        chain(4),
        agents.dqn(networks.MLP(2, features=())),
        replay.prioritized(4 * ROWS, 32, n_step=3),
        optax.sgd(0.1),
        lambda env_steps: 1.0,
    )
    program, init, key = (
        partial(training.run, trainer, num_iterations=10),
        trainer.init,
        jax.random.key(0),
    )
    if layout == "vmap":
        program, init, key = jax.vmap(program), jax.vmap(init), jax.random.split(key, 3)
    with jax.debug_key_reuse(False):
        state = jax.eval_shape(init, key)
        compiled = jax.jit(program, donate_argnums=0).lower(state).compile()
    leaves = sum_tree.init(4 * ROWS)[-1].shape[0]
    assert ring_sized_work(compiled, ROWS) == ring_sized_work(compiled, leaves) == []
