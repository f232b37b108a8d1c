"""Bootstraps and targets, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import targets

# The target network prefers action 1 in both states, the online one action 0 in the first.
Q_TARGET = jnp.array([[1.0, 4.0], [2.0, 3.0]])
Q_ONLINE = jnp.array([[9.0, 0.0], [0.0, 9.0]])


def test_select_takes_the_value_of_each_action():
    np.testing.assert_array_equal(targets.select(Q_TARGET, jnp.array([1, 0])), [4.0, 2.0])


def test_select_works_under_any_leading_axes():
    q = jnp.arange(24.0).reshape(2, 3, 4)
    action = jnp.array([[0, 1, 2], [3, 0, 1]])
    np.testing.assert_array_equal(targets.select(q, action), [[0, 5, 10], [15, 16, 21]])


def test_max_q_looks_at_the_target_network_alone():
    np.testing.assert_array_equal(targets.max_q(Q_TARGET, Q_ONLINE), [4.0, 3.0])


def test_double_q_lets_the_online_network_choose_and_the_target_network_judge():
    # Online chooses action 0, then 1; the target network says 1 and 3.
    np.testing.assert_array_equal(targets.double_q(Q_TARGET, Q_ONLINE), [1.0, 3.0])


@pytest.mark.parametrize(
    ("discount", "target"),
    [(0.9, 1.0 + 0.9 * 10.0), (0.0, 1.0)],
    ids=["goes on or was cut by the clock", "terminated"],
)
def test_the_future_counts_by_its_discount(discount, target):
    found = targets.td_target(jnp.array([1.0]), jnp.array([discount]), jnp.array([10.0]))
    np.testing.assert_allclose(found, [target])
