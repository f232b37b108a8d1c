"""The two terms of the variance, where both are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain, table_agent
from hypothesis import given
from hypothesis import strategies as st

from experiments.wobble import episodes, variance


def test_a_split_by_hand():
    # Within: variances 2 and 8, mean 5. Of the means 2 and 6: 8, of which 5 / 2 is noise.
    parts = variance.split(np.array([[1.0, 3.0], [4.0, 8.0]]))
    assert (parts.exploration, parts.policy) == (5.0, 8.0 - 2.5)


def test_only_exploration_and_only_policy():
    # All policies have the same two returns: their means differ less than noise would make them.
    parts = variance.split(np.tile([0.0, 2.0], (5, 1)))
    assert (parts.exploration, parts.policy) == (2.0, -1.0)
    parts = variance.split(np.tile([[1.0], [2.0], [3.0]], (1, 4)))
    assert (parts.exploration, parts.policy) == (0.0, 1.0)


def test_the_estimates_are_unbiased_with_few_episodes():
    # Variance 9 between policies, 16 within; 4,000 seeds of 5 policies, 3 episodes each.
    random = np.random.default_rng(0)
    mean = random.normal(100, 3, (4_000, 5, 1))
    parts = variance.split(random.normal(mean, 4, (4_000, 5, 3)))
    for found, true in ((parts.exploration, 16), (parts.policy, 9)):
        assert abs(found.mean() - true) < 4 * found.std() / np.sqrt(4_000)
    share = variance.exploration_share(parts)
    assert share.low < 16 / 25 < share.high and share.high - share.low < 0.05


@given(
    returns=st.lists(
        st.lists(st.floats(0, 500, allow_subnormal=False), min_size=3, max_size=3),
        min_size=2,
        max_size=6,
    )
)
def test_the_parts_sum_to_the_total_sum_of_squares(returns):
    """SS_total = SS_within + SS_between."""
    table = np.array(returns)
    num_policies, num_episodes = table.shape
    exploration, policy = variance.split(table)
    within = exploration * num_policies * (num_episodes - 1)
    between = (num_episodes * policy + exploration) * (num_policies - 1)
    total = np.sum((table - table.mean()) ** 2)
    np.testing.assert_allclose(within + between, total, rtol=1e-6, atol=1e-6)


def test_the_share_is_a_ratio_of_sums_over_seeds():
    # (2 + 6) / (2 + 6 + 8 + 0), not the mean of 0.2 and 1.
    parts = variance.Split(np.array([2.0, 6.0]), np.array([8.0, 0.0]))
    share = variance.exploration_share(parts)
    assert share.value == 0.5 and share.low == 0.2 and share.high == 1.0
    assert share == variance.exploration_share(parts)


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 1)])
def test_too_few_returns_are_refused(shape):
    with pytest.raises(ValueError, match="both at least 2"):
        variance.split(np.zeros(shape))


def test_each_policy_plays_with_its_own_parameters_and_its_own_epsilon():
    """The parameters are the values of the two actions; the reward is 1 at the right end of the chain."""

    def q_values(params, obs):
        return jnp.tile(params[None], (obs.shape[0], 1))

    agent = table_agent()._replace(
        init=lambda key, obs: jnp.zeros(2),
        q_values=q_values,
        explore=lambda key, params, obs: q_values(params, obs),
    )
    left, right = [1.0, 0.0], [0.0, 1.0]
    params, epsilon = jnp.array([left, right, left]), jnp.array([-1.0, -1.0, 2.0])
    play = jax.jit(
        lambda key: variance.repeat_episodes(
            key, params, epsilon, chain(200), agent, episodes.DRAWS["uniform"]
        )
    )
    returns = play(jax.random.key(0))
    assert returns.shape == (3, 200)
    np.testing.assert_array_equal(returns[0], np.zeros(200))
    np.testing.assert_array_equal(returns[1], np.ones(200))
    # An ε above every draw is a random walk: some arrive within ten steps, some do not.
    assert 0.1 < np.mean(returns[2]) < 0.9


def test_the_share_is_nan_if_nothing_varies():
    parts = variance.Split(np.zeros(3), np.zeros(3))
    assert np.isnan(variance.exploration_share(parts)).all()
