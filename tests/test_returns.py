"""n-step and λ-returns: by hand and against independent loops."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdqn import returns


def fold_by_loop(reward, discount, stop):
    """One environment: the sum of rewards up to a stop, each times the discounts before it."""
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
    # 1 + 0.5 * 2 + 0.25 * 4 = 3; the bootstrap has the factor 0.5^3.
    np.testing.assert_allclose([fold.reward[0], fold.discount[0], fold.last[0]], [3, 0.125, 2])


def test_the_step_that_stops_is_included():
    stop = jnp.array([[False], [True], [False]])
    fold = returns.n_step(jnp.array([[1.0], [2.0], [4.0]]), jnp.full((3, 1), 0.5), stop)
    # 1 + 0.5 * 2 = 2; on truncation the discount is 0.5^2, that of two steps.
    np.testing.assert_allclose([fold.reward[0], fold.discount[0], fold.last[0]], [2, 0.25, 1])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_pattern_of_endings_equals_the_loop(n):
    # After each step the episode is running, truncated or terminated: 3^n patterns in one batch.
    endings = np.array(list(itertools.product(["running", "truncated", "terminated"], repeat=n))).T
    reward = np.random.default_rng(0).normal(size=endings.shape).astype(np.float32)
    discount = np.where(endings == "terminated", 0.0, 0.9).astype(np.float32)
    stop = endings != "running"
    fold = returns.n_step(jnp.array(reward), jnp.array(discount), jnp.array(stop))
    for b in range(endings.shape[1]):
        expected = fold_by_loop(reward[:, b], discount[:, b], stop[:, b])
        found = fold.reward[b], fold.discount[b], fold.last[b]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.booleans()), min_size=1, max_size=6))
def test_n_step_returns_are_recursive(steps):
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


def lambda_by_loop(reward, discount, done, next_value, lambda_):
    """One environment: each return as a forward sum up to the end of the episode or rollout."""
    found = []
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for k in range(t, len(reward)):
            total += weight * reward[k]
            weight *= discount[k]
            if done[k] or k == len(reward) - 1:
                total += weight * next_value[k]
                break
            total += weight * (1 - lambda_) * next_value[k]
            weight *= lambda_
        found.append(total)
    return found


@pytest.mark.parametrize("lambda_", [0.0, 0.65, 1.0])
def test_lambda_returns_equal_the_forward_sum(lambda_):
    rng = np.random.default_rng(1)
    endings = rng.choice(["running", "running", "truncated", "terminated"], (8, 50))
    reward, value = rng.normal(size=(2, 8, 50)).astype(np.float32)
    discount = np.where(endings == "terminated", 0.0, 0.9).astype(np.float32)
    done = endings != "running"
    found = returns.lambda_returns(*map(jnp.array, (reward, discount, done, value)), lambda_)
    for b in range(50):
        expected = lambda_by_loop(reward[:, b], discount[:, b], done[:, b], value[:, b], lambda_)
        np.testing.assert_allclose(found[:, b], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("lambda_", "targets"),
    # γ = 0.5, rewards 1, 2, 4, values of the next states 10, 20, 30.
    # λ = 0: one step. λ = 1: to the end of the rollout, 4 + 15, 2 + 19/2, 1 + 11.5/2.
    # λ = 1/2: 19, 2 + (20 + 19) / 4, 1 + (10 + 11.75) / 4.
    [(0.0, [1 + 5, 2 + 10, 4 + 15]), (1.0, [6.75, 11.5, 19]), (0.5, [6.4375, 11.75, 19])],
)
def test_lambda_returns_by_hand(lambda_, targets):
    found = returns.lambda_returns(
        jnp.array([[1.0], [2.0], [4.0]]),
        jnp.full((3, 1), 0.5),
        jnp.zeros((3, 1), bool),
        jnp.array([[10.0], [20.0], [30.0]]),
        lambda_,
    )
    np.testing.assert_allclose(found[:, 0], targets)
