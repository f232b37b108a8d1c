"""Trainers made from trainers: averaged parameters and periodic resets."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain
from helpers.training import TRAINER, chain_trainer, equal

from jaxdqn import policies, training
from jaxdqn.config import ConfigError

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


def steps(trainer, num_iterations, seed=0):
    """The states after 0, 1, ... iterations."""
    step, states = jax.jit(trainer.step), [jax.jit(trainer.init)(jax.random.key(seed))]
    for _ in range(num_iterations):
        states.append(step(states[-1])[0])
    return states


def test_the_average_is_that_of_the_parameters_and_does_not_change_learning():
    averaged = training.average(TRAINER, decay=0.5)
    plain, found = steps(TRAINER, 3), steps(averaged, 3)
    assert equal([state.state for state in found], plain)
    kernel = [
        np.asarray(TRAINER.params(state)["params"]["Dense_0"]["kernel"], np.float64)
        for state in plain
    ]
    # Half of the last, a quarter of the one before; the rest of the initial parameters.
    expected = kernel[3] / 2 + kernel[2] / 4 + kernel[1] / 8 + kernel[0] / 8
    average = averaged.params(found[3])["params"]["Dense_0"]["kernel"]
    np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)


def test_a_reset_replaces_the_learner_and_keeps_replay_and_schedule():
    """Two updates per iteration: a reset every 6 updates precedes iterations 4 and 7."""
    found = steps(training.resets(TRAINER, period=6), 7)
    assert [int(x.num_resets) for x in found] == [0, 0, 0, 0, 1, 1, 1, 2]
    states = [x.state for x in found]
    kernels = [np.asarray(s.learner.params["params"]["Dense_0"]["kernel"]) for s in states]
    moved = [np.abs(new - old).max() for old, new in itertools.pairwise(kernels)]
    # A step of Adam moves a weight by about its step size, 0.02; initial weights have order 0.4.
    assert [bool(x > 0.1) for x in moved] == [False, False, False, True, False, False, True]
    # The second moments start again, the decay of the learning rate does not.
    adam, schedule = states[7].learner.opt_state
    assert (int(adam.count), int(schedule.count), int(states[7].learner.num_updates)) == (2, 14, 14)
    contents = [np.asarray(state.buffer.filled_rows) for state in states]
    np.testing.assert_array_equal(np.diff(contents), 2)


def test_parameters_are_trained_after_a_reset_at_the_end():
    """The last update is a multiple of the period; untrained biases would be zero."""
    trainer = training.resets(TRAINER, period=6)
    bias = trainer.params(steps(trainer, 3)[-1])["params"]["Dense_0"]["bias"]
    assert np.all(np.asarray(bias) != 0)


def test_resets_at_different_times_differ_by_their_keys():
    found = steps(training.resets(TRAINER, period=6), 7)
    assert not equal(found[4].state.learner.params, found[7].state.learner.params)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (functools.partial(training.average, decay=1.0), r"decay \(1.0\) must lie in \[0, 1\)"),
        (functools.partial(training.resets, period=0), r"period \(0\) must be at least 1"),
    ],
)
def test_invalid_numbers_raise_config_errors(make, message):
    with pytest.raises(ConfigError, match=message):
        make(TRAINER)


def test_each_environment_may_have_its_own_epsilon():
    """Environments with ε 0 act greedily, those with ε 1 at random."""
    epsilon = jnp.array([0.0, 0.0, 1.0, 1.0])
    trainer = chain_trainer(epsilon=epsilon)
    _, metrics = jax.jit(lambda key: training.run(trainer, trainer.init(key), 5))(jax.random.key(0))
    np.testing.assert_allclose(metrics.epsilon, np.full(5, 0.5))

    def explore(key, params, obs):
        return jnp.tile(jnp.array([0.0, 1.0]), (obs.shape[0], 1))

    policy = policies.epsilon_greedy(explore, epsilon)
    keys, obs = jax.random.split(jax.random.key(1), 400), chain(4).obs
    actions = jax.vmap(lambda key: policy(key, None, jnp.zeros((4, *obs.shape))))(keys)
    # 4 standard errors of a fraction of 400.
    np.testing.assert_allclose(np.mean(actions, 0), [1, 1, 0.5, 0.5], atol=4 * 0.5 / 20)
    np.testing.assert_array_equal(np.asarray(actions)[:, :2], 1)
