"""Losses of C51, HL-Gauss, QR-DQN and IQN against their equations, on tables with known values."""

import jax
import jax.numpy as jnp
import numpy as np
from helpers import oracles
from helpers.envs import STEP, SUPPORT, TABLE, TARGET_TABLE, Table
from helpers.training import losses

from jaxdqn import agents, targets
from jaxdqn.agents.iqn import stratified

# Logits `[states, A, Z]` for the categorical agents.
LOGITS = jax.random.normal(jax.random.key(1), (2, 2, 5))
TARGET_LOGITS = jax.random.normal(jax.random.key(2), (2, 2, 5))


def test_c51_is_the_cross_entropy_to_the_projected_target():
    agent = agents.c51(Table(LOGITS), SUPPORT)
    loss, td_error, priority = losses(agent, LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    next_p = [oracles.softmax(x) for x in np.asarray(TARGET_LOGITS[1])]
    best = int(np.argmax([p @ support for p in next_p]))
    target = oracles.project(1.0 + 0.5 * support, next_p[best], support)
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    np.testing.assert_allclose(loss, [-np.sum(target * np.log(p))], rtol=1e-5)
    np.testing.assert_allclose(td_error, [(target - p) @ support], rtol=1e-4)
    # Not the difference of the means: distributions with equal means may differ.
    np.testing.assert_allclose(priority, [-np.sum(target * np.log(p))], rtol=1e-5)


def test_c51_q_values_are_the_means():
    q = agents.c51(Table(LOGITS), SUPPORT).q_values(LOGITS, jnp.array([1]))
    p = [oracles.softmax(x) for x in np.asarray(LOGITS[1])]
    np.testing.assert_allclose(q[0], [x @ np.asarray(SUPPORT) for x in p], rtol=1e-5)


def test_double_c51_selects_the_action_with_the_online_network():
    agent = agents.c51(Table(LOGITS), SUPPORT, targets.double_action)
    online = LOGITS.at[1, 0].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    target = TARGET_LOGITS.at[1, 1].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    td_error = losses(agent, online, target, STEP).td_error
    support = np.asarray(SUPPORT, np.float64)
    p = oracles.project(1 + 0.5 * support, oracles.softmax(np.asarray(target[1, 0])), support)
    mean = oracles.softmax(np.asarray(online[0, 1])) @ support
    np.testing.assert_allclose(td_error, [p @ support - mean], rtol=1e-4)


def test_hl_gauss_is_the_cross_entropy_to_the_histogram_of_the_target():
    agent = agents.hl_gauss(Table(LOGITS), SUPPORT, sigma=0.7)
    loss, td_error, priority = losses(agent, LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    value = max(oracles.softmax(x) @ support for x in np.asarray(TARGET_LOGITS[1]))
    target = 1.0 + 0.5 * value
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    histogram = oracles.gaussian_histogram(target, support, 0.7)
    np.testing.assert_allclose(loss, [-np.sum(histogram * np.log(p))], rtol=1e-4)
    np.testing.assert_allclose(td_error, [target - p @ support], rtol=1e-4)
    np.testing.assert_allclose(priority, [abs(target - p @ support)], rtol=1e-4)


QUANTILES = jnp.array([[[0.0, 1.0], [1.0, 3.0]], [[2.0, 4.0], [0.0, 5.0]]])


def test_qr_dqn_is_the_quantile_huber_loss_of_all_pairs():
    agent = agents.qr_dqn(Table(QUANTILES), num_quantiles=2)
    loss, td_error, priority = losses(agent, QUANTILES, QUANTILES + 1.0, STEP)
    # Next state: means 4 and 3.5, so action 0 with quantiles 3 and 5; targets 1 + 0.5 * (3, 5).
    expected = oracles.quantile_huber([1.0, 3.0], [0.25, 0.75], [2.5, 3.5], 1.0)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)
    np.testing.assert_allclose(td_error, [3.0 - 2.0])
    np.testing.assert_allclose(priority, [expected], rtol=1e-5)


def test_double_qr_dqn_selects_the_action_with_the_online_network():
    """Action 1 is better under the online table, means 1 and 4, action 0 under the target table, 9 and 3."""
    online = QUANTILES.at[1].set(jnp.array([[0.0, 2.0], [3.0, 5.0]]))
    target = QUANTILES.at[1].set(jnp.array([[8.0, 10.0], [2.0, 4.0]]))
    for bootstrap_action, mean in ((targets.double_action, 3.0), (targets.max_action, 9.0)):
        agent = agents.qr_dqn(Table(online), 2, bootstrap_action=bootstrap_action)
        # The quantiles of action 1 in state 0 are 1 and 3.
        td_error = losses(agent, online, target, STEP).td_error
        np.testing.assert_allclose(td_error, [1.0 + 0.5 * mean - 2.0], rtol=1e-5)


class LevelTable:
    """A network with the quantile function `2 τ q(s, a)`, whose mean is `q(s, a)`."""

    def init(self, key, obs, levels):
        return TABLE

    def apply(self, params, obs, levels):
        q = obs @ params
        levels = jnp.broadcast_to(levels, (*q.shape[:-1], levels.shape[-1]))
        return q[..., None] * levels[..., None, :] * 2.0


STATES = jnp.eye(2)
LEVEL_STEP = STEP._replace(obs=STATES[:1], next_obs=STATES[1:])


def test_iqn_q_values_are_the_means_of_the_quantile_function():
    q = agents.iqn(LevelTable()).q_values(TABLE, STATES)
    np.testing.assert_allclose(q, TABLE, rtol=1e-5)


def test_iqn_samples_levels_for_each_loss_and_its_mean_loss_is_that_of_qr_dqn():
    agent = agents.iqn(LevelTable(), num_levels=8, num_target_levels=8)
    keys = jax.random.split(jax.random.key(3), 4_000)
    loss = jax.vmap(lambda key: losses(agent, TABLE, TARGET_TABLE, LEVEL_STEP, key).loss[0])(keys)
    assert len(np.unique(loss)) > 3_900
    # Predicted 4 τ, target 1 + 0.5 * 5 τ'; QR-DQN with many quantiles has the same integral.
    levels = (np.arange(200) + 0.5) / 200
    qr = oracles.quantile_huber(4 * levels, levels, 1 + 2.5 * levels, 1.0) / 200
    # Summed over 8 levels; 4 standard errors of the mean of 4,000.
    np.testing.assert_allclose(np.mean(loss), 8 * qr, atol=4 * np.std(loss) / np.sqrt(4_000))


def test_double_iqn_selects_the_action_with_the_online_network():
    """As in QR-DQN; the sampled quantiles of the next state scatter around its mean."""
    online = TABLE.at[1].set(jnp.array([1.0, 4.0]))
    target = TABLE.at[1].set(jnp.array([9.0, 3.0]))
    for bootstrap_action, mean in ((targets.double_action, 3.0), (targets.max_action, 9.0)):
        agent = agents.iqn(LevelTable(), 64, 64, bootstrap_action=bootstrap_action)
        td_error = losses(agent, online, target, LEVEL_STEP).td_error
        expected = 1.0 + 0.5 * mean - online[0, 1]
        np.testing.assert_allclose(td_error, [expected], atol=0.1)


def test_iqn_samples_one_level_in_each_interval():
    levels = np.array([stratified(jax.random.key(i), 4) for i in range(500)])
    np.testing.assert_array_equal(np.floor(4 * levels), np.tile(np.arange(4.0), (500, 1)))
    # Uniform within the interval: mean 1/2, standard deviation 1/√12.
    np.testing.assert_allclose((4 * levels % 1).mean(0), 0.5, atol=4 / np.sqrt(12 * 500))
