"""How do many seeds become one line? By what survives few of them: rates and trimmed means, with intervals.

A line never shows the interquartile mean alone: it leaves out the quarter of the seeds
that failed, of which the mean and the lowest quantile tell.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SOLVED = 475.0
"""Return of an episode from which CartPole-v1 counts as solved, by Gymnasium's registry."""


class Estimate(NamedTuple):
    """A number and the ends of its 95 % confidence interval, in the number's unit."""

    value: float
    low: float
    high: float


def solve_rate(returns: Sequence[float], mark: float = SOLVED) -> Estimate:
    """Fraction of the returns that reach `mark`, with Wilson's interval (1927).

    `returns` holds one a seed; raises `ValueError` if it is empty or not finite.
    """
    from scipy import stats  # Costs a second, which --help need not wait.

    values = _checked(returns)
    solved = int(np.sum(values >= mark))
    interval = stats.binomtest(solved, len(values)).proportion_ci(method="wilson")
    return Estimate(solved / len(values), float(interval.low), float(interval.high))


def interquartile_mean(returns: Sequence[float]) -> Estimate:
    """Mean without the lowest and the highest quarter (rounded down), arXiv:2108.13264.

    Its interval is the percentile bootstrap over seeds, the same at every call; the
    value itself where all returns are equal. `returns` and errors as in `solve_rate`.
    """
    from scipy import stats

    values = _checked(returns)
    if np.all(values == values[0]):
        return Estimate(*[float(values[0])] * 3)
    interval = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        method="percentile",
        random_state=np.random.default_rng(0),  # `rng` from 1.15 on  # pyright: ignore
    ).confidence_interval
    value = float(stats.trim_mean(values, 0.25))
    return Estimate(value, float(interval.low), float(interval.high))


def solved(returns: Sequence[float], mark: float = SOLVED) -> str:
    """The cell `28 of 32 (72–95 %)`: seeds that reach `mark`, and Wilson's interval."""
    rate = solve_rate(returns, mark)
    count = round(rate.value * len(returns))
    return f"{count} of {len(returns)} ({100 * rate.low:.0f}–{100 * rate.high:.0f} %)"


def line(returns: Sequence[float], mark: float = SOLVED) -> dict[str, str]:
    """Cells of a table, by their headings. `returns` and errors as in `solve_rate`."""
    middle = interquartile_mean(returns)
    return {
        f"≥ {mark:g}": solved(returns, mark),
        "mean": f"{np.mean(returns):.1f}",
        "5 % quantile": f"{np.quantile(returns, 0.05):.1f}",
        "IQM (95 %)": f"{middle.value:.1f} ({middle.low:.1f} to {middle.high:.1f})",
    }


def _checked(returns: Sequence[float]) -> np.ndarray:
    values = np.asarray(returns, float)
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError(f"returns must be one finite number a seed, at least one: {returns}")
    return values
