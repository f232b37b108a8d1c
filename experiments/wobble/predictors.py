"""Predictors of a collapse: measurements before it, compared with seeds that stay solved at the same time."""

from collections.abc import Mapping

import numpy as np

from experiments.results.estimates import Estimate, bootstrap
from experiments.wobble import probes
from jaxdqn.recipes.classic import SOLVED

MIN_COLLAPSES = 5
"""Number of collapses below which no result is given."""


def first_collapses(eval_return: np.ndarray) -> np.ndarray:
    """`[S, P]` bool, the first collapse, if any, of each seed of `eval_return [S, P]`."""
    found = probes.collapses(eval_return)
    return found & (np.cumsum(found, axis=1) == 1)


def holding(eval_return: np.ndarray) -> np.ndarray:
    """`[S, P]` bool, seeds that were solved at an earlier measurement and have not collapsed so far."""
    solved = eval_return >= SOLVED
    solved_before = np.cumsum(solved, axis=1) - solved > 0
    collapsed = np.cumsum(probes.collapses(eval_return), axis=1) > 0
    return solved_before & ~collapsed & np.isfinite(eval_return)


def lead(
    values: np.ndarray, eval_return: np.ndarray, lag: int, num_resamples: int = 2_000
) -> Estimate:
    """Probability that a predictor is larger before a collapse than in a seed that holds at that time.

    `values [S, P]` of the predictor are read `lag` measurements before each first collapse, and
    at the same measurement in all seeds that `holding` finds at the collapse. This is the
    statistic of Mann & Whitney (1947) within times; ties count half. 0.5 means no difference; 0
    and 1 mean perfect prediction. The interval is the percentile bootstrap over all seeds. NaN
    with fewer than `MIN_COLLAPSES` collapses.
    """
    controls = holding(eval_return) & np.isfinite(values)
    larger, compared = [], []  # [E, S] of collapses and seeds
    collapsed = []
    for seed, time in zip(*np.nonzero(first_collapses(eval_return)), strict=True):
        at = time - lag
        if at < 0 or not np.isfinite(values[seed, at]):
            continue
        others = controls[:, time] & np.isfinite(values[:, at])
        if others.any():
            own, of_others = values[seed, at], values[:, at]
            larger.append(np.where(others, (own > of_others) + 0.5 * (own == of_others), 0.0))
            compared.append(others)
            collapsed.append(seed)
    if len(collapsed) < MIN_COLLAPSES:
        return Estimate(*[float("nan")] * 3)
    num_seeds = len(eval_return)

    def mean_score(rows: np.ndarray) -> np.ndarray:
        # How often each seed is in the sample.
        counts = np.apply_along_axis(np.bincount, -1, rows, minlength=num_seeds).astype(float)
        score = (counts @ np.transpose(larger)) / (counts @ np.transpose(compared))
        weight = np.where(np.isfinite(score), counts[..., collapsed], 0.0)
        return np.sum(weight * np.nan_to_num(score), axis=-1) / np.sum(weight, axis=-1)

    with np.errstate(invalid="ignore"):
        return bootstrap(mean_score, num_seeds, num_resamples)


def of(measured: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name -> predictor `[S, P]`, from the columns of measurements.csv."""
    return {
        "greedy return": measured["eval_return"],
        "action gap": measured["action_gap"],
        "churn": measured["churn"],
        "value minus return": measured["value"] - measured["monte_carlo"],
        "terminal transitions in the replay": measured["terminal_share"],
    }
