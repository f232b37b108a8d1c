"""Statistics over seeds: solve rates, interquartile means and bootstrap intervals.

Agarwal et al. (2021), arXiv:2108.13264. A table never shows the interquartile mean alone,
since it leaves out the worst quarter of the seeds.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxdqn.recipes.classic import SOLVED


class Estimate(NamedTuple):
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], num_seeds: int, num_resamples: int = 9_999
) -> Estimate:
    """`statistic` with its percentile bootstrap interval over seeds, deterministic.

    `statistic` maps indices of seeds `[..., num_seeds]` to values `[...]`. NaN values of
    resamples are ignored.
    """
    value = float(statistic(np.arange(num_seeds)))
    resamples = np.random.default_rng(0).integers(num_seeds, size=(num_resamples, num_seeds))
    low, high = np.nanquantile(statistic(resamples), (0.025, 0.975))
    return Estimate(value, float(low), float(high))


def solve_rate(returns: Sequence[float], threshold: float = SOLVED) -> Estimate:
    """Fraction of the seeds whose return reaches `threshold`, with Wilson's interval (1927).

    `returns` holds one value per seed; raises `ValueError` if it is empty or not finite.
    """
    values = _checked(returns)
    count = int(np.sum(values >= threshold))
    interval = stats.binomtest(count, len(values)).proportion_ci(method="wilson")
    return Estimate(count / len(values), float(interval.low), float(interval.high))


def interquartile_mean(returns: Sequence[float]) -> Estimate:
    """Mean without the lowest and the highest quarter of the seeds (rounded down).

    `returns` and errors as in `solve_rate`.
    """
    values = _checked(returns)
    if np.all(values == values[0]):  # Their mean may differ from them by rounding.
        return Estimate(*[float(values[0])] * 3)
    return bootstrap(lambda rows: stats.trim_mean(values[rows], 0.25, axis=-1), len(values))


def solved(returns: Sequence[float], threshold: float = SOLVED) -> str:
    """The cell `28 of 32 (72–95 %)`: seeds that reach `threshold`, and Wilson's interval."""
    rate = solve_rate(returns, threshold)
    count = round(rate.value * len(returns))
    return f"{count} of {len(returns)} ({100 * rate.low:.0f}–{100 * rate.high:.0f} %)"


def line(returns: Sequence[float], threshold: float | None = SOLVED) -> dict[str, str]:
    """Heading -> cell of a table, four digits each, without solve rate if `threshold` is None.

    `returns` and errors as in `solve_rate`.
    """
    middle = interquartile_mean(returns)
    solve_rate = {} if threshold is None else {f"≥ {threshold:g}": solved(returns, threshold)}
    return solve_rate | {
        "mean": f"{np.mean(returns):.4g}",
        "5 % quantile": f"{np.quantile(returns, 0.05):.4g}",
        "IQM (95 %)": f"{middle.value:.4g} ({middle.low:.4g} to {middle.high:.4g})",
    }


def _checked(returns: Sequence[float]) -> np.ndarray:
    values = np.asarray(returns, float)
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError(f"returns must be one finite number per seed, at least one: {returns}")
    return values
