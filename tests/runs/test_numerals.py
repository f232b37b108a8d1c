"""Numbers on the terminal: digits, standard errors, and the summary of many seeds."""

import math

import pytest

from jaxdqn.runs import logs, numerals

SHORT = [
    (0.87, "0.87"), (-92.4, "-92.4"), (500.0, "500"), (498.38, "498"), (12345.6, "12,346"),
    (0.0, "0"), (0.0123, "0.0123"), (1e-7, "1e-07"), (None, "not finite"), (math.nan, "not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), SHORT)
def test_three_digits_or_all_before_the_point(value, text):
    assert numerals.short(value) == text


def test_an_unknown_error_is_left_out():
    assert numerals.with_error(498.0, 1.234) == "498 ± 1.2"
    assert numerals.with_error(498.0, math.nan) == "498"


def test_one_seed_is_a_line_and_many_are_quantiles_with_the_worst():
    line = "Seed 3: final evaluation return 498, best evaluation 500."
    assert numerals.summary([3], [498.4], [500.0], 475.0) == [line]
    final = [float(k) for k in range(101)]
    final[40] = None
    lines = numerals.summary(range(7, 108), final, [500.0] * 101, 91.0)
    assert len(lines) == 4 and max(map(len, lines)) <= 80
    assert lines[1].split() == ["final", "50", "9", "90", "not", "finite", "(seed", "47)"]
    assert lines[2].split() == ["best", "500", "500", "500", "500", "(seed", "7)"]
    assert lines[3] == "Solved: 10 of 101 seeds (final return at least 91)."
    assert len(numerals.summary([1, 2], [0.0, 1.0], [0.0, 1.0], None)) == 3


def test_the_error_is_over_episodes_of_one_seed_and_over_several_seeds():
    assert logs.evaluation({"eval_return": [3.0], "eval_error": [0.5]}) == (3.0, 0.5)
    mean, error = logs.evaluation({"eval_return": [1.0, None, 3.0], "eval_error": [9.0] * 3})
    assert mean == 2.0 and error == pytest.approx(1.0)  # sqrt(2) / sqrt(2).
    assert math.isnan(logs.evaluation({"eval_return": [None]})[0])
