"""Paired comparison: counts by hand, and the coverage of the interval."""

import numpy as np
import pytest

from experiments.results.estimates import Estimate
from experiments.wobble import paired


def test_gained_and_lost_and_mcnemar_by_hand():
    base = [500, 500, 100, 100, 100, 100, 100, 100, 100, 100]
    arm = [500, 100, 500, 500, 500, 500, 500, 500, 100, 100]
    found = paired.solved(arm, base)
    # Six of seven changed seeds are gained: p = 2 (1 + 7) / 2^7 = 0.125.
    assert (found.gained, found.lost) == (6, 1) and found.p == pytest.approx(0.125)
    assert found.difference.value == pytest.approx(0.5)
    # Half a seed is added to each count: (6.5 - 1.5) / 12 ± 1.96 √(8 - 25 / 12) / 12.
    middle, half = 5 / 12, 1.96 * np.sqrt(8 - 25 / 12) / 12
    np.testing.assert_allclose(found.difference[1:], [middle - half, middle + half])


def test_the_interval_has_a_width_if_no_seed_changed():
    found = paired.solved([500, 100] * 10, [480, 90] * 10)
    assert found.difference.value == 0 and found.p == 1
    assert found.difference.low < 0 < found.difference.high


def test_the_interval_covers_the_true_difference_in_95_percent():
    rng, truth, num = np.random.default_rng(0), 0.1, 2_000
    held = 0
    for _ in range(num):
        # Probabilities 0.2 of a gained and 0.1 of a lost seed, 200 seeds.
        change = rng.choice([1, -1, 0], p=[0.2, 0.1, 0.7], size=200)
        arm, base = np.where(change == 1, 500, 0), np.where(change == -1, 500, 0)
        interval = paired.solved(arm.tolist(), base.tolist()).difference
        held += interval.low <= truth <= interval.high
    # Three standard errors of a proportion of 2,000 are 0.015.
    assert held / num == pytest.approx(0.95, abs=0.015)


def test_pairing_removes_differences_between_seeds():
    # Seeds differ by 500; the arm adds 1 or 3 to each.
    base = np.repeat([0.0, 500.0], 50)
    arm = base + np.tile([1.0, 3.0], 50)
    found = paired.mean_difference(arm.tolist(), base.tolist())
    assert found.value == 2 and 1.5 < found.low < 2 < found.high < 2.5


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.01, 0.2, "more"), (-0.2, -0.01, "fewer"), (-0.1, 0.1, "same")]
)
def test_the_verdict_is_the_side_of_zero_of_the_whole_interval(low, high, word):
    assert paired.verdict(Estimate((low + high) / 2, low, high)) == word


def test_unpaired_or_non_finite_returns_are_refused():
    with pytest.raises(ValueError, match="of the same seeds"):
        paired.solved([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        paired.mean_difference([float("nan")], [1.0])
