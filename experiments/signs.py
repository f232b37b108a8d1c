"""What moves before a collapse? Each sign, looks ahead of it, against seeds that held at the same time."""

from collections.abc import Mapping

import numpy as np

from experiments import probes
from experiments.summary import SOLVED, Estimate


def first_collapses(greedy: np.ndarray) -> np.ndarray:
    """`[S, P]` bool, the first collapse of each seed of `greedy [S, P]`, if it has one."""
    found = probes.collapses(greedy)
    return found & (np.cumsum(found, axis=1) == 1)


def holding(greedy: np.ndarray) -> np.ndarray:
    """`[S, P]` bool: solved at an earlier look, and not collapsed by this one, though it could have."""
    solved_before = np.cumsum(greedy >= SOLVED, axis=1) - (greedy >= SOLVED) > 0
    collapsed = np.cumsum(probes.collapses(greedy), axis=1) > 0
    return solved_before & ~collapsed & np.isfinite(greedy)


def lead(
    values: np.ndarray, greedy: np.ndarray, num_looks: int, num_resamples: int = 2_000
) -> Estimate:
    """The chance that a sign is larger, `num_looks` before a collapse, than in a seed that holds at that time.

    Of `values [S, P]`; 0.5 says nothing, 0 and 1 tell a collapse for sure. Each event is compared with all
    seeds that `holding` finds at its look, ties count half: Mann & Whitney's (1947) statistic within
    times. Only the collapsing seeds are drawn anew by the bootstrap. Not a number without events.
    """
    controls = holding(greedy)
    scores = []
    for seed, look in zip(*np.nonzero(first_collapses(greedy)), strict=True):
        at = look - num_looks
        if at < 0 or not np.isfinite(values[seed, at]):
            continue
        others = values[controls[:, look], at]
        others = others[np.isfinite(others)]
        if others.size:
            larger, equal = values[seed, at] > others, values[seed, at] == others
            scores.append(np.mean(larger + 0.5 * equal))
    if not scores:
        return Estimate(*[float("nan")] * 3)
    rows = np.random.default_rng(0).integers(len(scores), size=(num_resamples, len(scores)))
    low, high = np.quantile(np.asarray(scores)[rows].mean(axis=1), (0.025, 0.975))
    return Estimate(float(np.mean(scores)), float(low), float(high))


def of(looks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The signs `[S, P]` by their names, from the columns of looks.csv."""
    return {
        "greedy return": looks["greedy_return"],
        "action gap": looks["action_gap"],
        "churn": looks["churn"],
        "value less return": looks["value"] - looks["monte_carlo"],
        "falls in the replay": looks["terminal_share"],
    }
