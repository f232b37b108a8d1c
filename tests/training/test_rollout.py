"""Rollouts on the chain: transitions at termination, at truncation and between."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain, chain_env

from jaxdqn import envs, policies
from jaxdqn.training import rollout

ENV = chain(num_envs=6, length=4, time_limit=5)


def move_right(key, params, obs):
    return jnp.ones(len(obs), jnp.int32)


@pytest.fixture(scope="module")
def collected():
    def play(key):
        reset_key, key = jax.random.split(key)
        actor = rollout.init(reset_key, ENV)
        return rollout.collect(key, None, actor, ENV, policies.random(2), 0.9, 200)

    return jax.device_get(jax.jit(play)(jax.random.key(0)))


def test_only_termination_zeroes_the_discount(collected):
    _, t, _ = collected
    # The reward is 1 on termination and 0 otherwise.
    terminated = t.reward == 1
    truncated = t.done & ~terminated
    assert terminated.sum() > 50 and truncated.sum() > 50
    np.testing.assert_array_equal(t.discount, np.where(terminated, 0, np.float32(0.9)))


def test_the_discount_of_a_step_is_gamma_to_the_power_of_its_duration():
    """States 0 to 4 of the chain at the times 0, 0, 1, 4 and 6; the fifth step terminates."""
    slow = chain_env(length=5, time_limit=None)._replace(
        reset=lambda key: jnp.int32(0), time=lambda state: jnp.array([0, 0, 1, 4, 6])[state]
    )
    env = envs.vectorize(slow, 1)
    actor = rollout.init(jax.random.key(0), env)
    _, t, _ = rollout.collect(jax.random.key(1), None, actor, env, move_right, 0.9, 6)
    expected = [1, 0.9, 0.9**3, 0.9**2, 0, 1]
    np.testing.assert_allclose(t.discount[:, 0], expected, rtol=1e-6)


def test_next_obs_is_the_successor_before_any_reset(collected):
    _, t, _ = collected
    position, after = t.obs.argmax(-1), t.next_obs.argmax(-1)
    np.testing.assert_array_equal(after, np.clip(position + 2 * t.action - 1, 0, 3))


def test_next_obs_is_the_obs_of_the_next_row_within_an_episode(collected):
    actor, t, _ = collected
    done = t.done[:-1]
    np.testing.assert_array_equal(t.obs[1:][~done], t.next_obs[:-1][~done])
    assert np.any(t.obs[1:][done] != t.next_obs[:-1][done])
    running = ~t.done[-1]
    np.testing.assert_array_equal(actor.obs[running], t.next_obs[-1][running])


def test_episode_returns_are_sums_of_rewards_and_lengths_count_steps(collected):
    actor, t, episodes = collected
    total, length = np.zeros(6), np.zeros(6, int)
    for step in range(200):
        total, length = total + t.reward[step], length + 1
        np.testing.assert_array_equal(episodes.returns[step], total)
        np.testing.assert_array_equal(episodes.lengths[step], np.where(t.done[step], length, 0))
        total[t.done[step]] = length[t.done[step]] = 0
    np.testing.assert_array_equal(actor.episode_return, total)
    np.testing.assert_array_equal(actor.episode_length, length)


def test_a_rollout_continues_the_previous_one():
    actor = rollout.init(jax.random.key(0), ENV)
    right = policies.greedy(lambda params, obs: jnp.zeros((6, 2)).at[:, 1].set(1.0))
    first, t, _ = rollout.collect(jax.random.key(1), None, actor, ENV, right, 0.9, 1)
    _, u, _ = rollout.collect(jax.random.key(2), None, first, ENV, right, 0.9, 1)
    running = ~t.done[0]
    np.testing.assert_array_equal(u.obs[0][running], t.next_obs[0][running])
