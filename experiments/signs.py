"""What moves before a collapse? Each sign, looks ahead of it, against seeds that held at the same time."""

from collections.abc import Mapping

import numpy as np

from experiments import probes
from experiments.summary import SOLVED, Estimate

LEAST = 5
"""Collapses from which on something is said of them."""


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
    times. The interval is the percentile bootstrap over seeds, those that collapse and those that hold
    alike. Not a number with fewer than `LEAST` events.
    """
    controls = holding(greedy) & np.isfinite(values)
    larger, compared = [], []  # [E, S] of events and seeds
    events = []
    for seed, look in zip(*np.nonzero(first_collapses(greedy)), strict=True):
        at = look - num_looks
        if at < 0 or not np.isfinite(values[seed, at]):
            continue
        others = controls[:, look] & np.isfinite(values[:, at])
        if others.any():
            mine, theirs = values[seed, at], values[:, at]
            larger.append(np.where(others, (mine > theirs) + 0.5 * (mine == theirs), 0.0))
            compared.append(others)
            events.append(seed)
    if len(events) < LEAST:
        return Estimate(*[float("nan")] * 3)
    num_seeds = len(greedy)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num_resamples)
    # How often each seed is there: once in the truth, so or so often when drawn anew.
    times = np.concatenate([np.ones((1, num_seeds)), drawn])
    with np.errstate(invalid="ignore"):
        score = (times @ np.transpose(larger)) / (times @ np.transpose(compared))
    weight = np.where(np.isfinite(score), times[:, events], 0.0)
    with np.errstate(invalid="ignore"):
        means = np.sum(weight * np.nan_to_num(score), axis=1) / np.sum(weight, axis=1)
    low, high = np.nanquantile(means[1:], (0.025, 0.975))
    return Estimate(float(means[0]), float(low), float(high))


def of(looks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The signs `[S, P]` by their names, from the columns of looks.csv."""
    return {
        "greedy return": looks["greedy_return"],
        "action gap": looks["action_gap"],
        "churn": looks["churn"],
        "value less return": looks["value"] - looks["monte_carlo"],
        "falls in the replay": looks["terminal_share"],
    }
