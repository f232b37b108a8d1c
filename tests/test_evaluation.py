"""Evaluation: exactly one episode in each environment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain

from jaxdqn import envs, evaluation, policies


def always(action, num_envs):
    return lambda key, params, obs: jnp.full(num_envs, action)


def test_each_environment_contributes_one_episode_of_any_length():
    # From a random start, moving right terminates after 1 to 5 steps with return 1.
    env = chain(num_envs=50, length=5, time_limit=10)
    returns = evaluation.evaluate(jax.random.key(0), None, env, always(1, 50)).returns
    np.testing.assert_array_equal(returns, np.ones(50))


def test_truncation_ends_an_episode():
    env = chain(num_envs=50, length=5, time_limit=10)
    returns = evaluation.evaluate(jax.random.key(0), None, env, always(0, 50)).returns
    np.testing.assert_array_equal(returns, np.zeros(50))


def test_long_episodes_are_not_cut_short_by_short_ones():
    # If always pushed to one side, all poles fall within a dozen steps, at different times.
    env = envs.vectorize(envs.gymnax("CartPole-v1"), 200)
    returns = evaluation.evaluate(jax.random.key(0), None, env, always(0, 200)).returns
    assert set(np.unique(returns)) == {8, 9, 10, 11}


def test_episodes_are_stopped_after_max_steps():
    env = envs.vectorize(envs.time_limit(envs.gymnax("CartPole-v1"), 10_000), 3)
    balance = policies.greedy(
        lambda params, obs: jnp.stack([-obs[:, 2] - obs[:, 3], obs[:, 2] + obs[:, 3]], -1)
    )
    returns = evaluation.evaluate(jax.random.key(0), None, env, balance, max_steps=77).returns
    np.testing.assert_array_equal(returns, [77, 77, 77])


@pytest.mark.parametrize("same", [True, False])
def test_returns_depend_on_the_key_only(same):
    env = chain(num_envs=40, length=5, time_limit=3)
    keys = jax.random.key(3), jax.random.key(3 if same else 4)
    found = [evaluation.evaluate(key, None, env, always(1, 40)) for key in keys]
    assert np.array_equal(*found) == same
