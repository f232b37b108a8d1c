"""`vectorize`: batching, time limit, automatic resets, and errors that name what does not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain_env

from jaxdqn import envs


def right(env, num_steps, key=0):
    """`env` under action 1: the time steps `[T, N]`."""

    def step(state, key):
        return env.step(key, state, jnp.ones(env.num_envs, jnp.int32))

    def play(key):
        reset_key, key = jax.random.split(key)
        state, _ = env.reset(reset_key)
        return jax.lax.scan(step, state, jax.random.split(key, num_steps))[1]

    return jax.device_get(jax.jit(play)(jax.random.key(key)))


def counter(**fields):
    """Counts its steps; the observation is the count."""
    env = envs.Env(
        reset=lambda key: 0,
        step=lambda key, state, action: (state + 1, 1, False),
        observe=lambda state: state,
        num_actions=2,
    )
    return env._replace(**fields)


def test_python_numbers_of_an_author_become_arrays():
    env = envs.vectorize(counter(), 3)
    assert env.obs == jax.ShapeDtypeStruct((), jnp.int32) and env.num_actions == 2
    found = right(env, 4)
    assert found.reward.dtype == np.float32 and found.terminated.dtype == bool
    np.testing.assert_array_equal(found.obs, np.arange(1, 5)[:, None].repeat(3, axis=1))


def test_without_a_time_limit_no_episode_is_truncated():
    assert not right(envs.vectorize(counter(), 2), 50).truncated.any()


def test_a_time_limit_truncates_and_resets_each_environment_by_itself():
    found = right(envs.vectorize(counter(time_limit=3), 2), 7)
    np.testing.assert_array_equal(found.truncated[:, 0], [0, 0, 1, 0, 0, 1, 0])
    # The observation to act on next is that of the new episode, the final one that before the reset.
    np.testing.assert_array_equal(found.obs[:, 0], [1, 2, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(found.final_obs[:, 0], [1, 2, 3, 1, 2, 3, 1])


def test_the_duration_of_a_step_is_that_of_its_own_episode():
    """Not that to the new episode, which starts at time 0."""
    assert right(envs.vectorize(counter(), 2), 3).duration is None
    env = envs.vectorize(counter(time_limit=3, time=lambda state: state * state), 2)
    np.testing.assert_array_equal(right(env, 5).duration[:, 0], [1, 3, 5, 1, 3])


def test_a_termination_at_the_time_limit_is_both():
    env = envs.vectorize(chain_env(length=1, time_limit=1), 4)
    found = right(env, 5)
    assert found.terminated.all() and found.truncated.all()


def test_environments_have_their_own_random_numbers():
    def noise(key, state, action):
        return jax.random.uniform(key), 0.0, False

    env = counter(reset=jax.random.uniform, step=noise)
    found = right(envs.vectorize(env, 100), 2)
    assert len(np.unique(found.obs)) == 200
    _, obs = envs.vectorize(env, 100).reset(jax.random.key(0))
    assert len(np.unique(obs)) == 100


def test_a_state_may_hold_keys():
    """An environment may keep a random key in its state."""
    env = counter(
        reset=lambda key: key,
        step=lambda key, state, action: (jax.random.split(state)[0], 0.0, True),
        observe=lambda state: jax.random.uniform(state),
    )
    with jax.debug_key_reuse(False):
        found = right(envs.vectorize(env, 2), 3)
    assert len(np.unique(found.final_obs)) == 6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_actions": 0}, r"num_actions \(0\) must be at least 1"),
        ({"time_limit": 0}, r"time_limit \(0\) must be at least 1 or None"),
        (
            {"observe": lambda state: jnp.zeros(3) if isinstance(state, int) else {"a": state}},
            "observe must return one array, not dict",
        ),
        (
            {"step": lambda key, state, action: (jnp.zeros(2), 0.0, False)},
            r"step must return a state like that of reset: int32\[\], then float32\[2\]",
        ),
        (
            {"step": lambda key, state, action: ((state, 1), 0.0, False)},
            "step must return a state like that of reset; their structures differ",
        ),
        (
            {"step": lambda key, state, action: (state, jnp.zeros(2), False)},
            r"a scalar reward \(float32\[2\]\)",
        ),
        (
            {"step": lambda key, state, action: (state, 0.0, 0)},
            r"a scalar bool terminated \(int32\[\]\)",
        ),
        ({"time": lambda state: jnp.zeros(2)}, r"time must return a scalar"),
    ],
)
def test_functions_that_do_not_fit_raise_an_error(fields, message):
    with pytest.raises(ValueError, match=message):
        envs.vectorize(counter(**fields), 2)


def test_an_observation_whose_shape_changes_raises_an_error():
    """It can change only with the state, whose types are compared first."""
    env = counter(
        reset=lambda key: jnp.zeros(2),
        step=lambda key, state, action: (jnp.zeros(3), 0.0, False),
    )
    with pytest.raises(ValueError, match=r"like that of reset: float32\[2\], then float32\[3\]"):
        envs.check(env)
