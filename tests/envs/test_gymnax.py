"""The gymnax adapter against the `step` of gymnax over thousands of steps."""

import importlib
import subprocess
import sys

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import envs
from jaxdqn.config import ConfigError

# `jaxdqn.envs.gymnax` is the function of this name.
gymnax_module = importlib.import_module("jaxdqn.envs.gymnax")
NUM_ENVS = 16
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}
"""The compiler may evaluate the same sum in different orders."""


def trajectory(env, gymnax_env, params, num_steps):
    """Results of the adapter and of gymnax in the same states, under random actions."""

    def step(state, key):
        action_key, step_key = jax.random.split(key)
        action = jax.random.randint(action_key, (NUM_ENVS,), 0, env.num_actions)
        after, found = env.step(step_key, state, action)
        oracle_keys = jax.random.split(jax.random.key(0), NUM_ENVS)
        expected = jax.vmap(gymnax_env.step, in_axes=(0, 0, 0, None))(
            oracle_keys, state.state.state, action, params
        )
        return after, (after, found, expected)

    def play(key):
        reset_key, run_key = jax.random.split(key)
        state, _ = env.reset(reset_key)
        return jax.lax.scan(step, state, jax.random.split(run_key, num_steps))[1]

    # The oracle's keys are the same at every step.
    with jax.debug_key_reuse(False):
        return jax.device_get(jax.jit(play)(jax.random.key(1)))


@pytest.fixture(scope="module", params=[500, 20], ids=["limit 500", "limit 20"])
def cartpole(request):
    gymnax_env, params = gymnax.make("CartPole-v1")
    params = params.replace(max_steps_in_episode=request.param)
    limit = {"max_steps_in_episode": request.param}
    env = envs.vectorize(envs.gymnax("CartPole-v1", env_params=limit), NUM_ENVS)
    return request.param, trajectory(env, gymnax_env, params, 3_000)


def test_every_step_equals_gymnax(cartpole):
    _, (_, found, (obs, _, reward, terminated, truncated, info)) = cartpole
    np.testing.assert_allclose(found.final_obs, info["final_observation"], **ROUNDING)
    np.testing.assert_array_equal(found.reward, reward)
    np.testing.assert_array_equal(found.terminated, terminated)
    np.testing.assert_array_equal(found.truncated, truncated)
    running = ~(terminated | truncated)
    np.testing.assert_allclose(found.obs[running], obs[running], **ROUNDING)


def test_states_equal_gymnax_where_no_episode_ended(cartpole):
    _, (after, found, (_, expected, *_)) = cartpole
    running = ~(found.terminated | found.truncated)
    found_states = jax.tree.leaves(after.state.state)
    for x, y in zip(found_states, jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x[running], y[running], **ROUNDING)


def test_episodes_that_end_are_reset_to_distinct_states(cartpole):
    limit, (after, found, _) = cartpole
    done = found.terminated | found.truncated
    obs = found.obs[done]
    assert (
        done.sum() > 1_000
        and np.all(after.time[done] == 0)
        and np.all(after.state.state.time[done] == 0)
    )
    assert np.all(np.abs(obs) <= 0.05) and len(np.unique(obs[:, 0])) > 0.99 * len(obs)
    # Uniform on [-0.05, 0.05]: standard deviation 0.1 / sqrt(12); 5 standard errors of the mean.
    np.testing.assert_allclose(obs.mean(0), 0, atol=5 * 0.1 / np.sqrt(12 * len(obs)))
    assert found.truncated.any() == (limit == 20)


def test_integer_observations_keep_their_dtype():
    env = envs.vectorize(envs.gymnax("FourRooms-misc"), 3)
    state, obs = env.reset(jax.random.key(0))
    _, timestep = env.step(jax.random.key(1), state, jnp.zeros(3, jnp.int32))
    assert obs.dtype == timestep.obs.dtype == timestep.final_obs.dtype == jnp.int32


def test_binary_images_are_bool_and_equal_those_of_gymnax():
    gymnax_env, params = gymnax.make("Breakout-MinAtar")
    env = envs.vectorize(envs.gymnax("Breakout-MinAtar"), NUM_ENVS)
    (_, (_, found, (_, _, reward, *_, info))) = (None, trajectory(env, gymnax_env, params, 200))
    assert found.final_obs.dtype == bool and found.final_obs.any()
    # The dynamics are random only at resets, so that equal states have equal successors.
    np.testing.assert_array_equal(found.final_obs, info["final_observation"])
    np.testing.assert_array_equal(found.reward, reward)


@pytest.mark.parametrize("name", gymnax_module.BINARY)
def test_observations_that_become_bool_hold_0_and_1_only(name):
    env, params = gymnax.make(name)

    def step(state, key):
        action_key, step_key = jax.random.split(key)
        action = env.action_space(params).sample(action_key)
        obs, state, *_ = env.step(step_key, state, action, params)
        return state, (jnp.unique(obs, size=3, fill_value=0.0)).astype(jnp.float32)

    def play(key):
        reset_key, key = jax.random.split(key)
        _, state = env.reset(reset_key, params)
        return jax.lax.scan(step, state, jax.random.split(key, 500))[1]

    with jax.debug_key_reuse(False):
        values = jax.jit(play)(jax.random.key(0))
    assert set(np.unique(values)) <= {0.0, 1.0}


def test_discrete_observations_are_one_hot_vectors():
    env = envs.vectorize(envs.gymnax("FrozenLake-misc"), 3)
    _, obs = env.reset(jax.random.key(0))
    assert env.obs.shape == (16,) and obs.dtype == bool
    np.testing.assert_array_equal(obs.sum(axis=1), np.ones(3))


def test_constructor_arguments_and_parameters_are_passed_on():
    assert envs.gymnax("Breakout-MinAtar", use_minimal_action_set=False).num_actions == 6
    env = envs.gymnax("CartPole-v1", env_params={"max_steps_in_episode": 7})
    assert env.time_limit == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Pendulum-v1", r"env \(Pendulum-v1\) must have discrete actions; its action space is Box"),
        ("CartPole", r"env \(CartPole\) must be the name of a gymnax environment"),
    ],
)
def test_environments_that_cannot_be_used_raise_config_errors(name, message):
    with pytest.raises(ConfigError, match=message):
        envs.gymnax(name)


# In a separate process, because this module has imported gymnax already.
SEABORN = """
import sys
from jaxdqn import envs
envs.gymnax("CartPole-v1")
assert "seaborn" not in sys.modules
from gymnax.environments.misc import pong
assert pong.sns.__name__ == "seaborn" and callable(pong.sns.heatmap)
assert hasattr(sys.modules["seaborn"], "__version__")
"""


def test_seaborn_is_imported_on_first_use():
    subprocess.run([sys.executable, "-c", SEABORN], check=True)
