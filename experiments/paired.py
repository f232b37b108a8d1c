"""Did the change do it, or chance? Two arms that share their seeds, compared seed by seed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.summary import SOLVED, Estimate


class Solved(NamedTuple):
    """How the solved seeds of an arm differ from those of its base."""

    gained: int
    """Seeds that the arm solves and the base does not."""
    lost: int
    """Seeds that the base solves and the arm does not."""
    difference: Estimate
    """Of the solve rates, arm less base."""
    p: float
    """Of McNemar's exact test: chance of a split of the changed seeds as uneven, if either were as likely."""


def solved(arm: Sequence[float], base: Sequence[float], mark: float = SOLVED) -> Solved:
    """Compares `arm` and `base`, returns `[S]` of the same seeds in the same order.

    The interval is that of Agresti & Min (2005), doi:10.1002/sim.1781: Wald's, with half a seed more
    in each of the four cells; it has a width where no seed changed. McNemar (1947) in its exact form.
    """
    from scipy import stats

    mine, theirs = (np.asarray(x, float) >= mark for x in _checked(arm, base))
    gained, lost = int(np.sum(mine & ~theirs)), int(np.sum(theirs & ~mine))
    num = len(mine) + 2
    plus, minus = gained + 0.5, lost + 0.5
    middle = (plus - minus) / num
    half = 1.96 * np.sqrt(plus + minus - (plus - minus) ** 2 / num) / num
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    difference = (gained - lost) / len(mine)
    low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    return Solved(gained, lost, Estimate(difference, float(low), float(high)), p)


def mean_difference(
    arm: Sequence[float], base: Sequence[float], num_resamples: int = 10_000
) -> Estimate:
    """Of the returns, arm less base; the interval is the percentile bootstrap over pairs, the same at every call."""
    mine, theirs = _checked(arm, base)
    each = mine - theirs
    rows = np.random.default_rng(0).integers(len(each), size=(num_resamples, len(each)))
    low, high = np.quantile(each[rows].mean(axis=1), (0.025, 0.975))
    return Estimate(float(each.mean()), float(low), float(high))


def verdict(difference: Estimate) -> str:
    """`more`, `fewer`, or `same`: on which side of 0 the whole interval lies."""
    if difference.low > 0:
        return "more"
    return "fewer" if difference.high < 0 else "same"


def _checked(arm: Sequence[float], base: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    mine, theirs = np.asarray(arm, float), np.asarray(base, float)
    if mine.shape != theirs.shape or mine.ndim != 1 or mine.size == 0:
        raise ValueError(f"arm {mine.shape} and base {theirs.shape} must be of the same seeds.")
    if not (np.all(np.isfinite(mine)) and np.all(np.isfinite(theirs))):
        raise ValueError("returns must be finite.")
    return mine, theirs
