"""The loop over episodes: exploration, updates, target network and measurements."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import chain

from experiments.wobble import episodes, probes, student
from jaxdqn import envs, evaluation, replay


def run(num_episodes, **changes):
    """The states `[num_episodes + 1]` between episodes of a small agent in a chain of five states."""
    config = student.student(learning_starts=8)._replace(
        env=chain(num_envs=1, time_limit=6),
        agent=student.make_agent(features=(4,)),
        replay=replay.uniform(64, batch_size=4),
        **changes,
    )
    next_state = jax.jit(lambda *state: episodes.run_episode(*state, config)[0])
    states = [jax.jit(lambda key: episodes.init(key, config))(jax.random.key(0))]
    for episode in range(num_episodes):
        states.append(next_state(states[-1], jnp.int32(episode)))
    return states


@pytest.fixture(scope="module")
def states():
    """Three updates per step; the learning rate is zero from the fifth episode on."""
    rate = optax.piecewise_constant_schedule(1e-3, {4: 0.0})
    return run(6, num_updates=3, learning_rate=rate)


def same(x, y):
    pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("draw", "epsilon", "probability"),
    [
        # A standard normal number is below 0 with probability 1/2, below 0.99 with Φ(0.99).
        ("normal", 0.0, 0.5),
        ("normal", 0.01, 0.50399),
        ("normal", 0.99, 0.83891),
        ("uniform", 0.0, 0.0),
        ("uniform", 0.01, 0.01),
        ("uniform", 0.99, 0.99),
    ],
)
def test_the_draw_determines_the_fraction_of_random_actions(draw, epsilon, probability):
    num_envs = 100_000
    policy = episodes.random_if(episodes.DRAWS[draw], lambda key, params, obs: obs, epsilon)
    # The first of two actions is greedy; half of the random actions are the other one.
    obs = jnp.tile(jnp.array([[1.0, 0.0]]), (num_envs, 1))
    other = np.mean(policy(jax.random.key(0), None, obs))
    sigma = np.sqrt(probability / 2 * (1 - probability / 2) / num_envs)
    assert abs(other - probability / 2) <= 4 * sigma


def test_a_perfect_policy_fails_under_the_normal_draw():
    """The returns of a perfect network fluctuate under the student's exploration, without any learning."""
    env = envs.vectorize(envs.gymnax("CartPole-v1"), 1_000)

    def returns(draw):
        policy = episodes.random_if(
            episodes.DRAWS[draw], lambda key, params, obs: probes.balance(params, obs), 0.01
        )
        play = jax.jit(lambda key: evaluation.evaluate(key, None, env, policy))
        return np.asarray(play(jax.random.key(0)))

    assert np.all(returns("uniform") == 500)
    # 20,000 episodes had mean 167 and standard deviation 131; four standard errors of 1,000.
    normal = returns("normal")
    assert abs(normal.mean() - 167) < 4 * 131 / np.sqrt(1_000)
    assert abs(normal.std() - 131) < 15


def test_learning_starts_and_number_of_updates_per_step(states):
    for state in states:
        # After step 8 and after each later step.
        steps = int(state.env_steps)
        assert int(state.learner.num_updates) == 3 * max(steps - 7, 0)
    assert int(states[-1].env_steps) > 8


def test_the_target_is_copied_at_the_start_of_each_episode(states):
    moved = 0
    for before, after in itertools.pairwise(states):
        assert same(after.learner.target_params, before.learner.params)
        moved += not same(after.learner.params, before.learner.params)
    assert moved >= 2


def test_the_target_can_be_updated_periodically():
    *_, last = run(4, synchronise=episodes.every(1))
    assert last.learner.num_updates > 0
    assert same(last.learner.target_params, last.learner.params)


def test_the_learning_rate_is_a_schedule_of_the_episode(states):
    before, after = states[4:6]
    assert after.learner.num_updates > before.learner.num_updates
    assert same(after.learner.params, before.learner.params)


def test_measurements_and_episodes_by_hand():
    # Always right: 1 to 5 steps from a random state, and a reward of 1.
    def right(key, params, obs):
        return jnp.tile(jnp.array([[0.0, 1.0]]), (obs.shape[0], 1))

    agent = student.make_agent()._replace(explore=right)
    config = student.student(learning_starts=10**6)._replace(
        env=chain(num_envs=1), agent=agent, epsilon=lambda episode: -jnp.inf
    )
    train = jax.jit(
        lambda key: episodes.train(key, config, 6, 2, measure=lambda state: state.env_steps)
    )
    found, measured = train(jax.random.key(0))
    np.testing.assert_array_equal(found.episode_return, np.ones(6))
    lengths = np.diff(found.env_steps, prepend=0)
    assert np.all((1 <= lengths) & (lengths <= 5))
    np.testing.assert_array_equal(measured, found.env_steps[1::2])


def test_no_episode_starts_after_max_steps():
    config = student.student(learning_starts=10**6)._replace(env=chain(num_envs=1))
    train = jax.jit(lambda key: episodes.train(key, config, 8, 4, max_steps=12)[0])
    found = train(jax.random.key(0))
    num_played = int(np.sum(~np.isnan(found.episode_return)))
    assert 2 <= num_played < 8
    # The last episode starts before the twelfth step and is played to its end.
    assert found.env_steps[num_played - 2] < 12 <= found.env_steps[num_played - 1]
    assert np.all(found.env_steps[num_played:] == found.env_steps[num_played - 1])
