"""Policies: greedy actions, and the frequencies of random ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import policies

# `params` are the action values, the same in each of N environments.
Q = jnp.array([0.0, 3.0, 1.0])


def q_values(params, obs):
    return jnp.broadcast_to(params, (obs.shape[0], params.shape[0]))


def explore(key, params, obs):
    return q_values(params, obs)


def act(policy, num_envs=30_000):
    return np.asarray(policy(jax.random.key(0), Q, jnp.zeros((num_envs, 1))))


def test_greedy_takes_the_first_action_of_largest_value():
    assert set(act(policies.greedy(q_values), 5)) == {1}
    tied = policies.greedy(q_values)(jax.random.key(0), jnp.array([1.0, 1.0]), jnp.zeros((2, 1)))
    np.testing.assert_array_equal(tied, [0, 0])


@pytest.mark.parametrize("epsilon", [0.0, 0.02, 0.3, 1.0])
def test_epsilon_is_the_probability_of_a_uniform_action(epsilon):
    # Each of the two other actions is taken with probability ε / 3.
    counts = np.bincount(act(policies.epsilon_greedy(explore, epsilon)), minlength=3)
    p = epsilon / 3
    tolerance = 4 * np.sqrt(30_000 * p * (1 - p))
    np.testing.assert_allclose(counts[[0, 2]], 30_000 * p, atol=tolerance)


def test_environments_explore_independently():
    # With shared noise, all 30,000 environments would take the same action.
    explored = act(policies.epsilon_greedy(explore, 0.5)) != 1
    neighbours = np.mean(explored[:-1] & explored[1:])
    # Two neighbours both take another action with probability (1/3)^2; 4 standard errors.
    assert abs(neighbours - 1 / 9) < 4 * np.sqrt(1 / 9 * 8 / 9 / 30_000)


def test_epsilon_may_be_traced():
    policy = jax.jit(
        lambda e: policies.epsilon_greedy(explore, e)(jax.random.key(0), Q, jnp.zeros((4, 1)))
    )
    np.testing.assert_array_equal(policy(0.0), [1, 1, 1, 1])


def test_random_is_uniform():
    counts = np.bincount(act(policies.random(3)), minlength=3)
    np.testing.assert_allclose(counts, 10_000, atol=4 * np.sqrt(30_000 * 2 / 9))


def test_the_epsilons_of_ape_x():
    # 0.4^(1 + 7 i / 7) for eight environments.
    expected = [0.4 ** (1 + i) for i in range(8)]
    np.testing.assert_allclose(policies.apex_epsilon(8), expected, rtol=1e-5)
    np.testing.assert_allclose(policies.apex_epsilon(1), [0.4])
