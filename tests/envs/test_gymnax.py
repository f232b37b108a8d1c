"""The adapter, against gymnax' own `step` over thousands of steps."""

import sys

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import envs

NUM_ENVS = 16
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}
"""The compiler may fuse the same sum in two ways."""


def trajectory(env, world, params, num_steps):
    """Random play: what the adapter answers and what gymnax answers in the same states."""

    def step(state, key):
        action_key, step_key = jax.random.split(key)
        action = jax.random.randint(action_key, (NUM_ENVS,), 0, env.num_actions)
        after, mine = env.step(step_key, state, action)
        oracle_keys = jax.random.split(jax.random.key(0), NUM_ENVS)
        own = jax.vmap(world.step, in_axes=(0, 0, 0, None))(oracle_keys, state, action, params)
        return after, (state, after, mine, own)

    def play(key):
        reset_key, run_key = jax.random.split(key)
        state, _ = env.reset(reset_key)
        return jax.lax.scan(step, state, jax.random.split(run_key, num_steps))[1]

    # gymnax' step takes one key for many worlds here, on purpose.
    with jax.debug_key_reuse(False):
        return jax.device_get(jax.jit(play)(jax.random.key(1)))


@pytest.fixture(scope="module", params=[500, 20], ids=["limit 500", "limit 20"])
def cartpole(request):
    world, params = gymnax.make("CartPole-v1")
    params = params.replace(max_steps_in_episode=request.param)
    env = envs.from_gymnax("CartPole-v1", NUM_ENVS, max_steps_in_episode=request.param)
    return request.param, trajectory(env, world, params, 3_000)


def test_equals_gymnax_in_every_step(cartpole):
    _, (_, _, mine, (obs, _, reward, terminated, truncated, info)) = cartpole
    np.testing.assert_allclose(mine.final_obs, info["final_observation"], **ROUNDING)
    np.testing.assert_array_equal(mine.reward, reward)
    np.testing.assert_array_equal(mine.terminated, terminated)
    np.testing.assert_array_equal(mine.truncated, truncated)
    running = ~(terminated | truncated)
    np.testing.assert_allclose(mine.obs[running], obs[running], **ROUNDING)


def test_states_equal_gymnax_where_no_episode_ended(cartpole):
    _, (_, after, mine, (_, own_state, *_)) = cartpole
    running = ~(mine.terminated | mine.truncated)
    for x, y in zip(jax.tree.leaves(after), jax.tree.leaves(own_state), strict=True):
        np.testing.assert_allclose(x[running], y[running], **ROUNDING)


def test_ended_episodes_start_anew_each_with_its_own_state(cartpole):
    limit, (_, after, mine, _) = cartpole
    ended = mine.terminated | mine.truncated
    fresh = mine.obs[ended]
    assert ended.sum() > 1_000 and np.all(after.time[ended] == 0)
    assert np.all(np.abs(fresh) <= 0.05) and len(np.unique(fresh[:, 0])) > 0.99 * len(fresh)
    # Uniform on [-0.05, 0.05]: standard deviation 0.1 / sqrt(12), the mean within 5 sigma.
    np.testing.assert_allclose(fresh.mean(0), 0, atol=5 * 0.1 / np.sqrt(12 * len(fresh)))
    assert mine.truncated.any() == (limit == 20)


def test_integer_observations_keep_their_type():
    env = envs.from_gymnax("FourRooms-misc", 3)
    state, obs = env.reset(jax.random.key(0))
    _, timestep = env.step(jax.random.key(1), state, jnp.zeros(3, jnp.int32))
    assert obs.dtype == timestep.obs.dtype == timestep.final_obs.dtype == jnp.int32


def test_continuous_actions_are_refused():
    with pytest.raises(
        ValueError, match=r"env \(Pendulum-v1\) must have discrete actions, not Box"
    ):
        envs.from_gymnax("Pendulum-v1", 1)


def test_seaborn_is_left_as_it_is():
    """It is only put off while gymnax is imported; who wants it afterwards gets the real one."""
    module = sys.modules.get("seaborn")
    assert module is None or hasattr(module, "__version__")
    from gymnax.environments.misc import pong

    assert pong.sns.__name__ == "seaborn" and callable(pong.sns.heatmap)
