"""A predictor is found at its lag and at no other; without one, nothing is found."""

import numpy as np
import pytest

from experiments.wobble import predictors

UP, DOWN = 500.0, 100.0
# Seeds 0 and 1 collapse at measurements 3 and 5, seed 2 holds, seed 3 is never solved.
GREEDY = np.array(
    [
        [UP, UP, UP, DOWN, DOWN, DOWN],
        [UP, UP, UP, UP, UP, DOWN],
        [UP, UP, UP, UP, UP, UP],
        [DOWN, DOWN, DOWN, DOWN, DOWN, DOWN],
    ]
)


@pytest.fixture
def few(monkeypatch):
    """Two collapses are enough."""
    monkeypatch.setattr(predictors, "MIN_COLLAPSES", 2)


def test_first_collapses_and_holding_seeds():
    np.testing.assert_array_equal(np.argwhere(predictors.first_collapses(GREEDY)), [[0, 3], [1, 5]])
    # Solved at an earlier measurement, not collapsed so far; no seed at the first one.
    held = predictors.holding(GREEDY).astype(int)
    np.testing.assert_array_equal(
        held, [[0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1], [0] * 6]
    )


def test_a_second_collapse_is_not_counted():
    greedy = np.array([[UP, DOWN, UP, DOWN]])
    np.testing.assert_array_equal(np.argwhere(predictors.first_collapses(greedy)), [[0, 1]])


def test_a_predictor_one_measurement_ahead_is_found_at_this_lag_only(few):
    values = np.zeros((4, 6))
    values[0, 2] = values[1, 4] = 1.0
    assert predictors.lead(values, GREEDY, 1)[:3] == (1.0, 1.0, 1.0)
    # At other lags all values are equal, and ties count half.
    assert predictors.lead(values, GREEDY, 2).value == 0.5
    assert predictors.lead(values, GREEDY, 0).value == 0.5


def test_controls_are_read_at_the_same_time(few):
    # Equal in all seeds but rising: a collapse is late, but so are its controls.
    values = np.tile(np.arange(6.0), (4, 1))
    assert predictors.lead(values, GREEDY, 1).value == 0.5


def test_by_hand_with_three_controls_and_a_tie(few):
    values = np.zeros((4, 6))
    # Before measurement 3 seed 0 has 2; seed 1 has 2, which counts 1/2, seed 2 has 1, which counts 1: 0.75.
    values[:, 2] = [2, 2, 1, 9]
    # Before measurement 5 seed 1 has 0, seed 2 has 5: 0. The mean is 0.375.
    values[2, 4] = 5
    assert predictors.lead(values, GREEDY, 1).value == 0.375


def test_it_is_nan_without_collapses(few):
    assert np.isnan(predictors.lead(np.zeros((1, 3)), np.full((1, 3), UP), 1).value)
    # Nor with a lag before the first measurement.
    assert np.isnan(predictors.lead(np.zeros((4, 6)), GREEDY, 6).value)


def test_it_is_nan_with_few_collapses():
    assert np.isnan(predictors.lead(np.zeros((4, 6)), GREEDY, 1).value)


def test_the_interval_covers_one_half_without_a_predictor():
    """Forty seeds, a third of which collapse at one of two times; random values, correlated within a seed."""
    rng = np.random.default_rng(1)
    held, num = 0, 200
    for _ in range(num):
        greedy = np.full((40, 5), UP)
        at = rng.integers(3, 5, 40)
        for seed in np.flatnonzero(rng.random(40) < 1 / 3):
            greedy[seed, at[seed] :] = DOWN
        values = rng.normal(size=(40, 1)) + 0.3 * rng.normal(size=(40, 5))
        found = predictors.lead(values, greedy, 1, num_resamples=300)
        held += found.low <= 0.5 <= found.high
    # 95 %, less the deficit of a percentile bootstrap of few seeds; three standard deviations.
    assert held / num > 0.93 - 3 * np.sqrt(0.05 * 0.95 / num)
