"""Sessions: evaluations do not affect training; the best parameters are kept."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import TRAINER, equal

from jaxdqn.evaluation import Evaluation
from jaxdqn.training import session

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


def advance(evaluate, num_iterations):
    return jax.jit(
        partial(session.advance, trainer=TRAINER, evaluate=evaluate, num_iterations=num_iterations)
    )


def noise(key, params):
    return evaluation_of(jax.random.normal(key, (3,)))


def evaluation_of(returns):
    return Evaluation(returns, jnp.full(returns.shape, 5, jnp.int32))


def test_the_number_of_evaluations_does_not_affect_training():
    start = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    once, _ = advance(noise, 20)(start)
    twice, _ = advance(noise, 10)(advance(noise, 10)(start)[0])
    assert equal(once.state, twice.state)
    assert equal(once.evaluation_key, twice.evaluation_key)


def test_every_evaluation_has_its_own_key():
    current = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    step, seen = advance(noise, 5), []
    for _ in range(4):
        current, report = step(current)
        seen.append(float(report.eval_return))
    assert len(set(seen)) == 4


def test_the_best_parameters_are_kept_and_the_latest_of_equal_ones():
    # Environment steps -> return: 5 iterations of 8 steps after the first 80.
    returns = {120: 1.0, 160: 3.0, 200: 2.0, 240: 3.0, 280: 0.0}
    current = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    params, best = {}, {}

    @jax.jit
    def step(current, value):
        evaluation = evaluation_of(jnp.full(2, value))
        return session.advance(current, TRAINER, lambda key, params: evaluation, 5)

    for steps, value in returns.items():
        current, report = step(current, value)
        assert float(report.eval_return) == value
        params[steps], best[steps] = current.state.learner.params, current.best_params
    assert equal(best[120], params[120]) and equal(best[200], params[160])
    assert equal(best[280], params[240])
    np.testing.assert_array_equal(current.best_return, 3.0)


def test_non_finite_parameters_are_never_the_best():
    """A policy with NaN parameters still acts and can have a high return."""
    start = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    diverged = jax.tree.map(lambda x: x * jnp.nan, start.state.learner.params)
    learner = start.state.learner._replace(params=diverged)
    start = start._replace(state=start.state._replace(learner=learner))
    step = advance(lambda key, params: evaluation_of(jnp.full(2, 9.0)), 5)
    after, report = step(start)
    assert not bool(report.finite) and float(after.best_return) == -np.inf
    assert np.isnan(report.eval_return)
    assert equal(after.best_params, start.best_params)


def test_train_equals_its_chunks_with_a_shorter_last_one():
    def chunks(key):
        current, returns = session.init(key, TRAINER), []
        for length in (5, 5, 2):
            current, report = session.advance(current, TRAINER, noise, length)
            returns.append(report.eval_return)
        return current, jnp.stack(returns)

    def whole(key):
        return session.train(key, TRAINER, noise, num_iterations=12, length=5)

    (end, returns), (expected_end, expected) = (
        jax.jit(f)(jax.random.key(0)) for f in (whole, chunks)
    )
    np.testing.assert_array_equal(returns, expected)
    assert equal(end, expected_end)
