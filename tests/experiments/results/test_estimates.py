"""Statistics over seeds: rates, trimmed means and intervals by hand and in corner cases."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.results import estimates

returns_of_seeds = st.lists(st.floats(0, 500, allow_subnormal=False), min_size=1, max_size=12)


def test_wilsons_interval_by_hand():
    # 10 of 10: (10 + z²/2 ± z²/2) / (10 + z²) with z = 1.96, so from 10 / 13.8415 to 1.
    rate, low, high = estimates.solve_rate([500.0] * 10)
    assert rate == high == 1.0 and math.isclose(low, 10 / 13.8415, rel_tol=1e-5)
    # 5 of 10 is symmetric about one half: (5 + z²/2 ± z √(2.5 + z²/4)) / (10 + z²).
    rate, low, high = estimates.solve_rate([500.0, 9.0] * 5)
    assert rate == 0.5 and math.isclose(low + high, 1.0)
    assert math.isclose(low, 0.2366, abs_tol=1e-4)


def test_solved_means_at_least_the_threshold():
    assert estimates.solve_rate([474.99, 475.0, 500.0, 9.0]).value == 0.5
    assert estimates.solve_rate([1.0, 2.0, 3.0, 4.0], threshold=2.0).value == 0.75


def test_the_interquartile_mean_by_hand():
    # Eight values lose two at either end, in whatever order: (3 + 4 + 5 + 6) / 4.
    assert estimates.interquartile_mean([8.0, 0, 3, 500, 4, 5, 1, 6]).value == 4.5
    # A quarter of five is one, rounded down: (2 + 3 + 4) / 3. Of three it is none.
    assert estimates.interquartile_mean([1.0, 2, 3, 4, 500]).value == 3.0
    assert estimates.interquartile_mean([1.0, 2, 6]).value == 3.0


def test_the_bootstrap_finds_the_standard_error():
    # Normal returns, standard deviation 10. With q = 0.6745, where a quarter is cut, the
    # variance of √n IQM is 10² (∫₋q^q x² φ(x) dx + q² / 2) / (1 / 2)², 119.5, so that 95 %
    # lie within 1.96 √(119.5 / 1000) = 0.678 to either side; 1,000 returns tell it to 5 %.
    _, low, high = estimates.interquartile_mean(np.random.default_rng(0).normal(300, 10, 1_000))
    assert math.isclose((high - low) / 2, 0.678, rel_tol=0.1)
    assert low < 300 < high


@given(returns=returns_of_seeds.filter(lambda returns: len(set(returns)) > 1))
def test_the_bootstrap_interval_is_that_of_scipy(returns):
    oracle = stats.bootstrap(
        (np.asarray(returns),),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    np.testing.assert_allclose(estimates.interquartile_mean(returns)[1:], oracle)


@given(returns=returns_of_seeds)
def test_an_interval_holds_its_value_and_repeats(returns):
    for estimate in (estimates.solve_rate, estimates.interquartile_mean):
        value, low, high = estimate(returns)
        slack = 1e-9 * max(returns)
        assert low - slack <= value <= high + slack
        assert estimate(returns) == (value, low, high)


@pytest.mark.parametrize("returns", [[468.7], [406.6] * 3, [500.0] * 8])
def test_equal_returns_are_their_own_interval_without_a_warning(returns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Not a mean of equal numbers, which rounds.
        assert estimates.interquartile_mean(returns) == (returns[0],) * 3


def test_a_line_tells_of_the_seeds_that_failed():
    # 28 of 32: (28 + z²/2 ± z √(28 · 4 / 32 + z²/4)) / (32 + z²), from 0.719 to 0.950.
    # The mean is (28 · 500 + 4 · 20) / 32. The 5 % quantile lies 0.05 · 31 = 1.55 up
    # from the lowest, among the 20s, and the middle half holds none of them.
    assert estimates.line([20.0] * 4 + [500.0] * 28) == {
        "≥ 475": "28 of 32 (72–95 %)",
        "mean": "440",
        "5 % quantile": "20",
        "IQM (95 %)": "500 (500 to 500)",
    }


def test_a_line_with_another_mark_says_so():
    found = estimates.line([1.0, 2.0, 3.0], threshold=2.5)
    assert found["≥ 2.5"].startswith("1 of 3") and found["5 % quantile"] == "1.1"


def test_small_returns_keep_their_digits():
    # DeepSea is solved with 0.99, at most 1; one digit after the point would show 1.0.
    found = estimates.line([0.99, 0.99, 0.99], threshold=None)
    assert found["mean"] == "0.99" and found["IQM (95 %)"] == "0.99 (0.99 to 0.99)"


@pytest.mark.parametrize("returns", [[], [500.0, math.nan], [math.inf]])
def test_empty_and_non_finite_returns_are_rejected(returns):
    for function in (estimates.solve_rate, estimates.interquartile_mean, estimates.line):
        with pytest.raises(ValueError, match="returns must be one finite number per seed"):
            function(returns)
