"""Losses of DQN, Munchausen and advantage learning against their equations, on tables with known values."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import oracles
from helpers.envs import STEP, TABLE, TARGET_TABLE, Table, table_agent, transition
from helpers.training import losses

from jaxdqn import agents, targets


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("temperature", [0.03, 1.0])
def test_munchausen_equals_its_equation(action, temperature):
    agent = agents.munchausen(Table(TABLE), temperature, alpha=0.9, log_policy_min=-1.0)
    batch = transition(0, action, reward=1.0, discount=0.5, next_obs=1)
    td_error = losses(agent, TABLE, TARGET_TABLE, batch).td_error
    q = np.asarray(TARGET_TABLE, np.float64)
    target = oracles.munchausen_target(1.0, 0.5, q[0], q[1], action, 0.9, temperature, -1.0)
    np.testing.assert_allclose(td_error, [target - TABLE[0, action]], rtol=1e-5)


def test_munchausen_without_bonus_at_low_temperature_is_dqn():
    munchausen = agents.munchausen(Table(TABLE), temperature=1e-4, alpha=0.0)
    found, expected = (
        losses(agent, TABLE, TARGET_TABLE, STEP) for agent in (munchausen, table_agent())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_advantage_learning_lowers_the_target_of_suboptimal_actions_only():
    # State 0 under the target table: action 0 is best, the gap to action 1 is 1.5.
    agent = agents.advantage_learning(Table(TABLE), alpha=0.4)
    # Bellman target 1 + 0.5 * 2.5 = 2.25; lowered by 0.4 * 1.5 = 0.6 for action 1; q is 2 and 1.
    for action, expected in ((1, 2.25 - 0.6 - 2.0), (0, 2.25 - 1.0)):
        batch = transition(0, action, reward=1.0, discount=0.5, next_obs=1)
        np.testing.assert_allclose(
            losses(agent, TABLE, TARGET_TABLE, batch).td_error, [expected], rtol=1e-5
        )


def test_the_persistent_operator_is_at_least_the_target_of_the_repeated_action():
    agent = agents.advantage_learning(
        Table(TABLE), alpha=0.9, operator=targets.persistent_advantage_learning
    )
    # 2.25 - 0.9 * 1.5 = 0.9 is below the target of action 1 repeated: 1 + 0.5 * 2.5 = 2.25.
    np.testing.assert_allclose(
        losses(agent, TABLE, TARGET_TABLE, STEP).td_error, [2.25 - 2.0], rtol=1e-5
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_advantage_learning_widens_the_gap_by_1_over_1_minus_alpha(alpha):
    """Value iteration with rewards 1 and 0.8: the best values are unchanged, the gap grows."""
    rewards, gamma = jnp.array([[1.0, 0.8], [1.0, 0.8]]), 0.5
    q = jnp.zeros((2, 2))
    for _ in range(200):
        bellman = rewards + gamma * q.max(-1, keepdims=True)
        q = targets.advantage_learning(bellman, bellman, alpha * (q.max(-1, keepdims=True) - q))
    # max q = 1 / (1 - γ) = 2 for every α; the gap 0.2 becomes 0.2 / (1 - α).
    np.testing.assert_allclose(q[:, 0], [2.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(q[:, 0] - q[:, 1], [0.2 / (1 - alpha)] * 2, rtol=1e-4)


def test_the_priority_of_dqn_is_the_magnitude_of_the_td_error():
    batch = transition(1, 1, reward=1.0, discount=0.5, next_obs=0)
    # 1 + 0.5 * 2 - 5.
    found = losses(table_agent(error_loss=optax.huber_loss), TABLE, TABLE, batch)
    np.testing.assert_allclose(found.td_error, [-3.0])
    np.testing.assert_allclose(found.priority, [3.0])
    np.testing.assert_allclose(found.loss, [2.5])


@pytest.mark.parametrize("make", [agents.munchausen, agents.advantage_learning])
def test_the_loss_of_a_td_error_can_be_replaced(make):
    batch = transition(1, 1, reward=1.0, discount=0.5, next_obs=0)
    plain = losses(make(Table(TABLE)), TABLE, TABLE, batch)
    found = losses(make(Table(TABLE), error_loss=optax.huber_loss), TABLE, TABLE, batch)
    # Huber's loss of an error beyond 1 is its magnitude less a half.
    assert plain.td_error == found.td_error < -1
    np.testing.assert_allclose(plain.loss, plain.td_error**2 / 2, rtol=1e-6)
    np.testing.assert_allclose(found.loss, -found.td_error - 0.5, rtol=1e-6)
