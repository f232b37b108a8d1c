"""Paired comparison of two arms that were trained with the same seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.results.estimates import Estimate, bootstrap
from jaxdqn.recipes.classic import SOLVED


class Solved(NamedTuple):
    """Differences between the solved seeds of an arm and of its base."""

    gained: int
    """Seeds that the arm solves and the base does not."""
    lost: int
    """Seeds that the base solves and the arm does not."""
    difference: Estimate
    """Solve rate of the arm minus solve rate of the base."""
    p: float
    """P-value of McNemar's exact test that gained and lost seeds are equally likely."""


def solved(arm: Sequence[float], base: Sequence[float], threshold: float = SOLVED) -> Solved:
    """Compares `arm` and `base`, returns `[S]` of the same seeds in the same order.

    The interval is that of Agresti & Min (2005), doi:10.1002/sim.1781: Wald's, with half a seed
    added to each of the four cells, so that its width is positive even if no seed changed.
    The test is McNemar (1947) in its exact form.
    """
    arm_solved, base_solved = (np.asarray(x, float) >= threshold for x in _checked(arm, base))
    gained, lost = int(np.sum(arm_solved & ~base_solved)), int(np.sum(base_solved & ~arm_solved))
    num = len(arm_solved) + 2
    plus, minus = gained + 0.5, lost + 0.5
    middle = (plus - minus) / num
    half = 1.96 * np.sqrt(plus + minus - (plus - minus) ** 2 / num) / num
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    difference = (gained - lost) / len(arm_solved)
    low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    return Solved(gained, lost, Estimate(difference, float(low), float(high)), p)


def mean_difference(
    arm: Sequence[float], base: Sequence[float], num_resamples: int = 10_000
) -> Estimate:
    """Mean of arm minus base over pairs, with a percentile bootstrap interval over pairs."""
    arm_returns, base_returns = _checked(arm, base)
    difference = arm_returns - base_returns
    return bootstrap(lambda rows: difference[rows].mean(axis=-1), len(difference), num_resamples)


def verdict(difference: Estimate) -> str:
    """`more` or `fewer` if the whole interval is above or below 0, else `same`."""
    if difference.low > 0:
        return "more"
    return "fewer" if difference.high < 0 else "same"


def _checked(arm: Sequence[float], base: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    arm_returns, base_returns = np.asarray(arm, float), np.asarray(base, float)
    if arm_returns.shape != base_returns.shape or arm_returns.ndim != 1 or arm_returns.size == 0:
        raise ValueError(
            f"arm {arm_returns.shape} and base {base_returns.shape} must be of the same seeds."
        )
    if not (np.all(np.isfinite(arm_returns)) and np.all(np.isfinite(base_returns))):
        raise ValueError("returns must be finite.")
    return arm_returns, base_returns
