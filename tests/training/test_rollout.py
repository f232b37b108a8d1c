"""What a rollout writes down: every kind of ending, on the chain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain

from jaxdqn import policies
from jaxdqn.training import rollout

ENV = chain(num_envs=6, length=4, time_limit=5)


@pytest.fixture(scope="module")
def collected():
    def play(key):
        reset_key, key = jax.random.split(key)
        actor = rollout.init(reset_key, ENV)
        return rollout.collect(key, None, actor, ENV, policies.random(2), 0.9, 200)

    return jax.device_get(jax.jit(play)(jax.random.key(0)))


def test_only_termination_zeroes_the_discount(collected):
    _, t, _ = collected
    # Reward 1 is earned by terminating and by nothing else.
    terminated = t.reward == 1
    cut = t.done & ~terminated
    assert terminated.sum() > 50 and cut.sum() > 50
    np.testing.assert_array_equal(t.discount, np.where(terminated, 0, np.float32(0.9)))


def test_next_obs_is_what_followed_before_any_reset(collected):
    _, t, _ = collected
    position, after = t.obs.argmax(-1), t.next_obs.argmax(-1)
    np.testing.assert_array_equal(after, np.clip(position + 2 * t.action - 1, 0, 3))


def test_rows_follow_each_other_within_an_episode(collected):
    actor, t, _ = collected
    going = ~t.done[:-1]
    np.testing.assert_array_equal(t.obs[1:][going], t.next_obs[:-1][going])
    fresh = ~going
    assert np.any(t.obs[1:][fresh] != t.next_obs[:-1][fresh])
    going = ~t.done[-1]
    np.testing.assert_array_equal(actor.obs[going], t.next_obs[-1][going])


def test_episode_returns_add_up_and_start_again(collected):
    actor, t, episode_return = collected
    running = np.zeros(6)
    for step in range(200):
        running += t.reward[step]
        np.testing.assert_array_equal(episode_return[step], running)
        running[t.done[step]] = 0
    np.testing.assert_array_equal(actor.episode_return, running)


def test_a_rollout_in_two_parts_goes_on_where_it_stopped():
    actor = rollout.init(jax.random.key(0), ENV)
    right = policies.greedy(lambda params, obs: jnp.zeros((6, 2)).at[:, 1].set(1.0))
    first, t, _ = rollout.collect(jax.random.key(1), None, actor, ENV, right, 0.9, 1)
    _, u, _ = rollout.collect(jax.random.key(2), None, first, ENV, right, 0.9, 1)
    going = ~t.done[0]
    np.testing.assert_array_equal(u.obs[0][going], t.next_obs[0][going])
