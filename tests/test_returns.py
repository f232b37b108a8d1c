"""n-step folds, against an independent loop and by hand."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdqn import returns


def fold_by_loop(reward, discount, stop):
    """One world: add what comes until a stop, each reward discounted by all that went before."""
    total, weight = 0.0, 1.0
    for k in range(len(reward)):
        total += weight * reward[k]
        weight *= discount[k]
        if stop[k]:
            break
    return total, weight, k


def test_three_steps_by_hand():
    fold = returns.n_step(
        jnp.array([[1.0], [2.0], [4.0]]), jnp.full((3, 1), 0.5), jnp.zeros((3, 1), bool)
    )
    # 1 + 0.5 * 2 + 0.25 * 4 = 3, and what follows counts 0.5^3.
    np.testing.assert_allclose([fold.reward[0], fold.discount[0], fold.last[0]], [3, 0.125, 2])


def test_the_step_that_stops_is_the_last_one_counted():
    stop = jnp.array([[False], [True], [False]])
    fold = returns.n_step(jnp.array([[1.0], [2.0], [4.0]]), jnp.full((3, 1), 0.5), stop)
    # 1 + 0.5 * 2 = 2; a time limit leaves the discount 0.5^2 of the two steps.
    np.testing.assert_allclose([fold.reward[0], fold.discount[0], fold.last[0]], [2, 0.25, 1])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_pattern_of_endings_equals_the_loop(n):
    # Each step goes on, is truncated, or terminates: all 3^n patterns as one batch.
    endings = np.array(list(itertools.product(["goes on", "truncated", "terminated"], repeat=n))).T
    reward = np.random.default_rng(0).normal(size=endings.shape).astype(np.float32)
    discount = np.where(endings == "terminated", 0.0, 0.9).astype(np.float32)
    stop = endings != "goes on"
    fold = returns.n_step(jnp.array(reward), jnp.array(discount), jnp.array(stop))
    for b in range(endings.shape[1]):
        expected = fold_by_loop(reward[:, b], discount[:, b], stop[:, b])
        found = fold.reward[b], fold.discount[b], fold.last[b]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.booleans()), min_size=1, max_size=6))
def test_splitting_a_fold_changes_nothing(steps):
    """The return of n steps is the first reward plus γ times the return of the other n - 1."""
    reward = jnp.array([[r] for r, _ in steps], jnp.float32)
    stop = jnp.array([[s] for _, s in steps])
    discount = jnp.full(reward.shape, 0.5)
    whole = returns.n_step(reward, discount, stop)
    if len(steps) == 1 or stop[0, 0]:
        assert whole.reward[0] == reward[0, 0] and whole.discount[0] == 0.5
    else:
        rest = returns.n_step(reward[1:], discount[1:], stop[1:])
        np.testing.assert_allclose(whole.reward, reward[0] + 0.5 * rest.reward, rtol=1e-5)
        np.testing.assert_allclose(whole.discount, 0.5 * rest.discount)
