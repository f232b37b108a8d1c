"""Looking at a run does not change it; the best parameters are kept."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import TRAINER, equal

from jaxdqn.training import session


@pytest.fixture(autouse=True)
def _no_false_alarm():
    with jax.debug_key_reuse(False):
        yield


def advance(evaluate, num_iterations):
    return jax.jit(
        partial(session.advance, trainer=TRAINER, evaluate=evaluate, num_iterations=num_iterations)
    )


def noise(key, params):
    return jax.random.normal(key, (3,))


def test_how_often_one_looks_does_not_change_what_is_learnt():
    start = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    seldom, _ = advance(noise, 20)(start)
    often, _ = advance(noise, 10)(advance(noise, 10)(start)[0])
    assert equal(seldom.state, often.state)
    assert equal(seldom.evaluation_key, often.evaluation_key)


def test_every_evaluation_has_a_key_of_its_own():
    current = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    step, seen = advance(noise, 5), []
    for _ in range(4):
        current, report = step(current)
        seen.append(float(report.eval_return))
    assert len(set(seen)) == 4


def test_the_best_parameters_are_kept_and_of_equal_ones_the_last():
    # Returns by world steps taken: 5 iterations of 8 after a warm-up of 80.
    returns = {120: 1.0, 160: 3.0, 200: 2.0, 240: 3.0, 280: 0.0}
    current = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    params, best = {}, {}
    for steps, value in returns.items():
        step = advance(lambda key, params, value=value: jnp.full(2, value), 5)
        current, report = step(current)
        assert float(report.eval_return) == value
        params[steps], best[steps] = current.state.learner.params, current.best_params
    assert equal(best[120], params[120]) and equal(best[200], params[160])
    assert equal(best[280], params[240])
    np.testing.assert_array_equal(current.best_return, 3.0)


def test_lost_parameters_are_never_the_best():
    """Whatever they happen to earn: NaN compares as nothing, and its policy acts all the same."""
    start = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    lost = jax.tree.map(lambda x: x * jnp.nan, start.state.learner.params)
    learner = start.state.learner._replace(params=lost)
    start = start._replace(state=start.state._replace(learner=learner))
    step = advance(lambda key, params: jnp.full(2, 9.0), 5)
    after, report = step(start)
    assert not bool(report.finite) and float(after.best_return) == -np.inf
    assert equal(after.best_params, start.best_params)


def test_a_whole_training_is_its_chunks_the_last_one_shorter():
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
