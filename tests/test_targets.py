"""Bootstrap values and targets, by hand."""

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


def test_max_q_uses_the_target_network_only():
    np.testing.assert_array_equal(targets.max_q(Q_TARGET, Q_ONLINE), [4.0, 3.0])


def test_double_q_selects_with_the_online_and_evaluates_with_the_target_network():
    # The online network selects actions 0 and 1; their target values are 1 and 3.
    np.testing.assert_array_equal(targets.double_q(Q_TARGET, Q_ONLINE), [1.0, 3.0])


@pytest.mark.parametrize(
    ("discount", "target"),
    [(0.9, 1.0 + 0.9 * 10.0), (0.0, 1.0)],
    ids=["running or truncated", "terminated"],
)
def test_td_target_discounts_the_value(discount, target):
    found = targets.td_target(jnp.array([1.0]), jnp.array([discount]), jnp.array([10.0]))
    np.testing.assert_allclose(found, [target])


def test_td_target_row_has_one_reward_and_discount_per_row():
    found = targets.td_target_row(jnp.array([1.0, 2.0]), jnp.array([0.5, 0.0]), Q_TARGET)
    np.testing.assert_allclose(found, [[1.5, 3.0], [2.0, 2.0]])
