"""A sign that is there before a collapse is found, at its lead and no other; one that is not is not."""

import numpy as np
import pytest

from experiments.wobble import predictors

UP, DOWN = 500.0, 100.0
# Seeds 0 and 1 collapse at look 3 and at look 5, seed 2 holds, seed 3 never solves it.
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
    """Two events are enough to be told."""
    monkeypatch.setattr(signs, "LEAST", 2)


def test_first_collapses_and_who_holds():
    np.testing.assert_array_equal(np.argwhere(predictors.first_collapses(GREEDY)), [[0, 3], [1, 5]])
    # Held: solved at an earlier look, not collapsed by this one. Nobody was, before the first.
    held = predictors.holding(GREEDY).astype(int)
    np.testing.assert_array_equal(
        held, [[0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1], [0] * 6]
    )


def test_a_second_collapse_is_not_counted():
    greedy = np.array([[UP, DOWN, UP, DOWN]])
    np.testing.assert_array_equal(np.argwhere(predictors.first_collapses(greedy)), [[0, 1]])


def test_a_sign_one_look_ahead_is_found_there_and_only_there(few):
    values = np.zeros((4, 6))
    values[0, 2] = values[1, 4] = 1.0
    assert predictors.lead(values, GREEDY, 1)[:3] == (1.0, 1.0, 1.0)
    # Elsewhere all are equal, and ties are halves.
    assert predictors.lead(values, GREEDY, 2).value == 0.5
    assert predictors.lead(values, GREEDY, 0).value == 0.5


def test_the_controls_are_of_the_same_time(few):
    # All rise alike: a collapse is later than most looks, but not than those of its time.
    values = np.tile(np.arange(6.0), (4, 1))
    assert predictors.lead(values, GREEDY, 1).value == 0.5


def test_by_hand_with_three_controls_and_a_tie(few):
    values = np.zeros((4, 6))
    # One before look 3: the event has 2; seed 1 has 2, a half, and seed 2 has 1, a whole: 0.75.
    values[:, 2] = [2, 2, 1, 9]
    # One before look 5: 0 against seed 2's 5: 0. Their mean is 0.375.
    values[2, 4] = 5
    assert predictors.lead(values, GREEDY, 1).value == 0.375


def test_without_events_it_is_not_a_number(few):
    assert np.isnan(predictors.lead(np.zeros((1, 3)), np.full((1, 3), UP), 1).value)
    # Nor where no look is so far back.
    assert np.isnan(predictors.lead(np.zeros((4, 6)), GREEDY, 6).value)


def test_few_events_say_nothing():
    assert np.isnan(predictors.lead(np.zeros((4, 6)), GREEDY, 1).value)


def test_the_interval_covers_where_nothing_is_to_be_found():
    """Forty seeds, a third of which collapse at one of two times; values without meaning, correlated in a seed."""
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
    # 95 % less what a percentile bootstrap of few seeds lacks; three deviations.
    assert held / num > 0.93 - 3 * np.sqrt(0.05 * 0.95 / num)
