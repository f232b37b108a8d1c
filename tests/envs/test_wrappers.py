"""Wrappers: each changes one thing and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain_env

from jaxdqn import envs
from jaxdqn.config import ConfigError

ENV = chain_env(length=6)
STATE = jnp.int32(3)


def test_observations_are_changed_by_their_wrapper():
    number = ENV._replace(observe=lambda state: state)
    np.testing.assert_array_equal(envs.one_hot(number, 6).observe(STATE), np.arange(6) == 3)
    assert envs.one_hot(number, 6).observe(STATE).dtype == bool
    square = ENV._replace(observe=lambda state: jnp.full((2, 3), state))
    np.testing.assert_array_equal(envs.flatten(square).observe(STATE), np.full(6, 3))
    np.testing.assert_array_equal(envs.scale(square, 0.5).observe(STATE), np.full((2, 3), 1.5))
    scaled = envs.scale(ENV, tuple(range(6))).observe(STATE)
    np.testing.assert_array_equal(scaled, 3.0 * (np.arange(6) == 3))
    assert envs.binary(square).observe(STATE).dtype == bool


def test_rewards_and_limits_are_changed_by_their_wrapper():
    _, reward, terminated = envs.scale_reward(ENV, -2.0).step(
        jax.random.key(0), jnp.int32(5), jnp.int32(1)
    )
    assert (float(reward), bool(terminated)) == (-2.0, True)
    assert envs.time_limit(ENV, 7).time_limit == 7
    assert envs.time_limit(ENV, None).time_limit is None


@pytest.mark.parametrize("wrap", [envs.flatten, lambda env: envs.sticky_actions(env, 0.5)])
def test_the_picture_is_that_of_the_wrapped_environment(wrap):
    env = wrap(ENV._replace(render=lambda state: jnp.full((2, 2, 3), state, jnp.uint8)))
    image = env.render(env.reset(jax.random.key(0)))
    assert image.shape == (2, 2, 3)
    assert wrap(ENV).render is None


@pytest.mark.parametrize("wrap", [envs.flatten, lambda env: envs.sticky_actions(env, 0.5)])
def test_the_time_is_that_of_the_wrapped_environment(wrap):
    env = wrap(ENV._replace(reset=lambda key: STATE, time=lambda state: 2 * state))
    assert env.time(env.reset(jax.random.key(0))) == 6
    assert wrap(ENV).time is None


def test_sticky_actions_repeat_with_their_probability():
    """Left after right: the position tells which action was executed."""
    env = envs.sticky_actions(ENV, 0.25)

    def play(key):
        keys = jax.random.split(key, 2)
        (position, _), _, _ = env.step(keys[0], (STATE, jnp.int32(-1)), jnp.int32(1))
        first = position
        (position, _), _, _ = env.step(keys[1], (position, jnp.int32(1)), jnp.int32(0))
        return first, position

    first, second = jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(1), 20_000))
    # An episode has no previous action at its start.
    assert np.all(first == 4) and set(np.unique(second)) == {3, 5}
    # Five standard deviations of a mean of 20,000.
    assert abs(np.mean(second == 5) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 20_000)


def test_a_probability_out_of_range_raises_an_error():
    with pytest.raises(ConfigError, match=r"probability \(1.5\) must lie in \[0, 1\]"):
        envs.sticky_actions(ENV, 1.5)
