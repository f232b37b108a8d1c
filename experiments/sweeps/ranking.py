"""Ranking of the configurations of a sweep."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.results import estimates
from experiments.sweeps import grid


def ranking(
    rows: Sequence[dict[str, Any]], names: Sequence[str], solved_at: float | None
) -> list[dict[str, Any]]:
    """One table row per configuration, by decreasing solve rate, then by decreasing mean return.

    `rows` are those of `results.csv`; `names` are the hyperparameters of a configuration. Without
    `solved_at` there is no solve rate.
    """
    returns: dict[tuple[Any, ...], list[float]] = {}
    diverged: dict[tuple[Any, ...], int] = {}
    for row in rows:
        configuration = tuple(row[name] for name in names)
        returns.setdefault(configuration, []).append(float(row["final_return"]))
        diverged[configuration] = diverged.get(configuration, 0) + (row["diverged"] != "")

    def score(configuration: tuple[Any, ...]) -> tuple[float, float]:
        own = returns[configuration]
        rate = 0.0 if solved_at is None else estimates.solve_rate(own, solved_at).value
        return rate, sum(own) / len(own)

    labels = {
        name: dict(zip(values, grid.labels(values), strict=True))
        for name, column in zip(names, zip(*returns, strict=True), strict=True)
        for values in [np.unique(column)]
    }
    return [
        {name: labels[name][value] for name, value in zip(names, configuration, strict=True)}
        | estimates.line(returns[configuration], solved_at)
        | {"diverged": diverged[configuration]}
        for configuration in sorted(returns, key=score, reverse=True)
    ]
