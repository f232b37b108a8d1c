"""An episode begins, is played, is learnt from and ends as the loop says; a choice replaced changes nothing else."""

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
    """The states `[num_episodes + 1]` around the episodes of a small agent in a chain of five states."""
    choices = student.blog(learning_starts=8)._replace(
        env=chain(num_envs=1, time_limit=6),
        agent=student.make_agent(features=(4,)),
        memory=replay.uniform(64, batch_size=4),
        **changes,
    )
    next_one = jax.jit(lambda *state: episodes.run_episode(*state, choices)[0])
    states = [jax.jit(lambda key: episodes.init(key, choices))(jax.random.key(0))]
    for episode in range(num_episodes):
        states.append(next_one(states[-1], jnp.int32(episode)))
    return states


@pytest.fixture(scope="module")
def states():
    """Three updates a step; from the fifth episode on the learning rate is zero."""
    rate = optax.piecewise_constant_schedule(1e-3, {4: 0.0})
    return run(6, num_updates=3, learning_rate=rate)


def same(x, y):
    pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("draw", "epsilon", "probability"),
    [
        # A standard normal is below 0 half of the time, below 0.99 with Φ(0.99).
        ("normal", 0.0, 0.5),
        ("normal", 0.01, 0.50399),
        ("normal", 0.99, 0.83891),
        ("uniform", 0.0, 0.0),
        ("uniform", 0.01, 0.01),
        ("uniform", 0.99, 0.99),
    ],
)
def test_the_dice_decide_how_much_is_random(draw, epsilon, probability):
    num_worlds = 100_000
    policy = episodes.random_if(episodes.DRAWS[draw], lambda key, params, obs: obs, epsilon)
    # The first of two actions is the best: the other is taken by half of those that are random.
    obs = jnp.tile(jnp.array([[1.0, 0.0]]), (num_worlds, 1))
    other = np.mean(policy(jax.random.key(0), None, obs))
    sigma = np.sqrt(probability / 2 * (1 - probability / 2) / num_worlds)
    assert abs(other - probability / 2) <= 4 * sigma


def test_a_policy_that_never_falls_falls_under_the_normal_draw():
    """What the student would have seen of a perfect network: the wobble is there without any learning."""
    env = envs.from_gymnax(student.ENV, 1_000)

    def returns(draw):
        policy = episodes.random_if(
            episodes.DRAWS[draw], lambda key, params, obs: probes.balance(params, obs), 0.01
        )
        play = jax.jit(lambda key: evaluation.evaluate(key, None, env, policy))
        return np.asarray(play(jax.random.key(0)))

    assert np.all(returns("uniform") == 500)
    # 20,000 episodes found a mean of 167 and a deviation of 131: 4 sigmas of a thousand.
    normal = returns("normal")
    assert abs(normal.mean() - 167) < 4 * 131 / np.sqrt(1_000)
    assert abs(normal.std() - 131) < 15


def test_training_starts_with_enough_transitions_and_is_so_many_updates_a_step(states):
    for state in states:
        # After step 8, and after each that follows.
        steps = int(state.env_steps)
        assert int(state.learner.num_updates) == 3 * max(steps - 7, 0)
    assert int(states[-1].env_steps) > 8


def test_the_target_is_the_network_as_the_episode_found_it(states):
    moved = 0
    for before, after in itertools.pairwise(states):
        assert same(after.learner.target_params, before.learner.params)
        moved += not same(after.learner.params, before.learner.params)
    assert moved >= 2


def test_or_it_follows_every_so_many_updates():
    *_, last = run(4, synchronise=episodes.every(1))
    assert last.learner.num_updates > 0
    assert same(last.learner.target_params, last.learner.params)


def test_a_learning_rate_may_fall_by_the_episode(states):
    before, after = states[4:6]
    assert after.learner.num_updates > before.learner.num_updates
    assert same(after.learner.params, before.learner.params)


def test_looks_and_episodes_by_hand():
    # Always to the right: from a random state 1 to 5 steps and a reward of 1.
    def right(key, params, obs):
        return jnp.tile(jnp.array([[0.0, 1.0]]), (obs.shape[0], 1))

    agent = student.make_agent()._replace(explore=right)
    choices = student.blog(learning_starts=10**6)._replace(
        env=chain(num_envs=1), agent=agent, epsilon=lambda episode: -jnp.inf
    )
    train = jax.jit(
        lambda key: episodes.train(key, choices, 6, 2, look=lambda state: state.env_steps)
    )
    found, looks = train(jax.random.key(0))
    np.testing.assert_array_equal(found.episode_return, np.ones(6))
    lengths = np.diff(found.env_steps, prepend=0)
    assert np.all((1 <= lengths) & (lengths <= 5))
    np.testing.assert_array_equal(looks, found.env_steps[1::2])


def test_no_episode_begins_after_max_steps():
    choices = student.blog(learning_starts=10**6)._replace(env=chain(num_envs=1))
    train = jax.jit(lambda key: episodes.train(key, choices, 8, 4, max_steps=12)[0])
    found = train(jax.random.key(0))
    num_played = int(np.sum(~np.isnan(found.episode_return)))
    assert 2 <= num_played < 8
    # The last one that began, began before the twelfth step; it was played to its end.
    assert found.env_steps[num_played - 2] < 12 <= found.env_steps[num_played - 1]
    assert np.all(found.env_steps[num_played:] == found.env_steps[num_played - 1])
