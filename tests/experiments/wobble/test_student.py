"""The student's agent, part by part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain, chain_env
from helpers.training import losses

from experiments.wobble import episodes, probes, student
from jaxdqn import envs, evaluation
from jaxdqn.transition import Transition


def test_epsilon_falls_by_a_half_percent_an_episode_down_to_one_percent():
    epsilon = student.student().epsilon
    # 0.99 · 0.995² = 0.98012; 0.99 · 0.995^500 = 0.080756; the minimum is reached at episode 917.
    found = [float(epsilon(jnp.int32(episode))) for episode in (0, 2, 500, 916, 917, 5_000)]
    np.testing.assert_allclose(found, [0.99, 0.980125, 0.080756, 0.010036, 0.01, 0.01], rtol=1e-4)


def test_rmsprop_is_that_of_keras_by_hand():
    optimizer = student.keras_rmsprop(0.5)
    state = optimizer.init(jnp.float32(0))
    # v = 0.1 · 2² = 0.4, step -0.5 · 2 / √0.4; then v = 0.9 · 0.4 + 0.1 · 1 = 0.46.
    first, state = optimizer.update(jnp.float32(2), state)
    second, state = optimizer.update(jnp.float32(-1), state)
    np.testing.assert_allclose([first, second], [-1 / np.sqrt(0.4), 0.5 / np.sqrt(0.46)], rtol=1e-5)
    # 1e-7 is added to √v = √1e-13 = 3.16e-7; inside the root it would dominate.
    tiny, _ = optimizer.update(jnp.float32(1e-6), optimizer.init(jnp.float32(0)))
    np.testing.assert_allclose(tiny, -0.5 * 1e-6 / (3.1623e-7 + 1e-7), rtol=1e-4)


def test_the_loss_is_the_mean_square_over_both_outputs():
    # In Keras the target equals the prediction except for the action taken: (3² + 0²) / 2.
    agent = student.make_agent()
    params = jax.eval_shape(agent.init, jax.random.key(0), jnp.zeros((1, 4)))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), params)
    batch = Transition(
        obs=jnp.ones((1, 4)),
        action=jnp.array([1]),
        reward=jnp.array([3.0]),
        discount=jnp.array([0.9]),
        done=jnp.array([False]),
        next_obs=jnp.ones((1, 4)),
    )
    np.testing.assert_allclose(losses(agent, zeros, zeros, batch).loss, [4.5])


def test_matrices_start_as_in_keras():
    init = jax.jit(student.make_agent(features=(300, 100)).init)
    params = init(jax.random.key(0), jnp.zeros((1, 4)))
    kernels = [x for x in jax.tree.leaves(params) if x.ndim == 2]
    assert sorted(x.shape for x in kernels) == [(4, 300), (100, 2), (300, 100)]
    for kernel in kernels:
        limit = np.sqrt(6 / sum(kernel.shape))
        # Uniform within ±limit: the standard deviation is limit / √3.
        assert np.max(np.abs(kernel)) <= limit
        np.testing.assert_allclose(np.std(kernel), limit / np.sqrt(3), rtol=0.15)
    assert all(np.all(x == 0) for x in jax.tree.leaves(params) if x.ndim == 1)


def test_a_time_limit_terminates_only_with_limit_is_failure():
    discounts = {}
    for name, env in {
        "failure": envs.vectorize(student.limit_is_failure(chain_env(), 6), 1),
        "limit": chain(1, time_limit=6),
    }.items():
        # Always left: only the time limit ends the episode.
        (state, _), timestep = env.reset(jax.random.key(0)), None
        for key in jax.random.split(jax.random.key(1), 6):
            assert timestep is None or not (timestep.terminated | timestep.truncated)[0]
            state, timestep = env.step(key, state, jnp.array([0]))
        assert (timestep.terminated | timestep.truncated)[0]
        discounts[name] = float(0.9 * (1 - timestep.terminated[0]))
    assert discounts == {"failure": 0.0, "limit": pytest.approx(0.9)}


@pytest.mark.parametrize(("version", "limit"), [("student", 500), ("failing", 2_000)])
def test_the_versions_differ_in_time_limit_and_learning_start(version, limit):
    config = getattr(student, version)()
    assert config.learning_starts == {"student": 2_000, "failing": 100}[version]

    def balance(key, params, obs):
        return jnp.argmax(probes.balance(params, obs), axis=-1)

    play = jax.jit(lambda key: evaluation.evaluate(key, None, config.env, balance))
    assert play(jax.random.key(0)).returns == limit


@pytest.mark.slow
def test_it_learns():
    # A random policy has a mean of 22. At the end 200 seeds had a median of 80, a 10 % quantile of 43.
    train = jax.jit(lambda key: episodes.train(key, student.student(), 400, 400)[0])
    with jax.debug_key_reuse(False):
        found = [np.mean(train(jax.random.key(seed)).episode_return[-100:]) for seed in range(3)]
    assert np.median(found) > 43
