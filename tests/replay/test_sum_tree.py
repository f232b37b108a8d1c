"""Sum tree: stored sums, and frequencies of sampled leaves against their priorities."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdqn.replay import sum_tree

write = jax.jit(sum_tree.write)
sample = jax.jit(sum_tree.sample, static_argnums=2)


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
def test_sampling_is_proportional_to_the_priorities(size):
    # Ten classes of priority 1 to 10, spread over all leaves: class k has k / 55 of the samples.
    priority = 1.0 + jnp.arange(size) % 10
    levels = write(sum_tree.init(size), jnp.arange(size), priority)
    leaf, found = sample(jax.random.key(0), levels, 50_000)
    np.testing.assert_array_equal(found, priority[leaf])
    counts = np.bincount(np.asarray(leaf) % 10, minlength=10)
    expected = 50_000 * np.arange(1, 11) / 55
    # χ² with 9 degrees of freedom exceeds 27.9 once in a thousand.
    assert np.sum((counts - expected) ** 2 / expected) < 27.9


def test_one_large_priority_among_many_small_ones():
    # 300,000 leaves of 1 and one of 10^5: a quarter of the samples, although sums are float32.
    size = 300_000
    levels = write(sum_tree.init(size), jnp.arange(size), jnp.ones(size))
    levels = write(levels, jnp.array([123_456]), jnp.array([1e5]))
    leaf, _ = sample(jax.random.key(1), levels, 20_000)
    fraction = np.mean(np.asarray(leaf) == 123_456)
    assert abs(fraction - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 20_000)


def test_a_point_at_the_very_end_selects_the_last_leaf_of_positive_priority(monkeypatch):
    levels = write(sum_tree.init(100), jnp.array([3, 70]), jnp.array([1.0, 2.0]))
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.ones(shape))
    assert sum_tree.sample(None, levels, 2)[0].tolist() == [70, 70]


@pytest.mark.slow
def test_sums_do_not_drift_in_ten_million_updates():
    """10^7 priorities over nine orders of magnitude, in batches of 1,000."""
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


def test_flashbax_samples_the_same_leaves_as_often():
    """A second implementation: the same priorities in the buffer of flashbax."""
    flashbax = pytest.importorskip("flashbax", reason="does not support every Python version")
    size, num_keys, batch_size = 32, 400, 50
    priority = 0.5 + jnp.arange(size) % 4
    keys = jax.random.split(jax.random.key(6), num_keys)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        buffer = flashbax.make_prioritised_flat_buffer(64, 1, batch_size, priority_exponent=0.6)
        state, add = buffer.init({"number": jnp.int32(0)}), jax.jit(buffer.add)
        for number in range(size + 1):
            state = add(state, {"number": jnp.int32(number)})
        state = buffer.set_priorities(state, jnp.arange(size), priority)
        numbers = jax.vmap(lambda key: buffer.sample(state, key).experience.first["number"])
        expected = np.bincount(np.asarray(jax.jit(numbers)(keys)).ravel(), minlength=size)
    levels = write(sum_tree.init(size), jnp.arange(size), priority**0.6)
    leaf, _ = sample(jax.random.key(7), levels, num_keys * batch_size)
    counts = np.bincount(np.asarray(leaf), minlength=size)
    # Two samples of 20,000: χ² with 31 degrees of freedom exceeds 61.1 once in a thousand.
    assert np.sum((counts - expected) ** 2 / (counts + expected)) < 61.1
