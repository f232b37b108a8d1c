"""Tables of the study in Markdown, from its CSV files."""

from collections.abc import Sequence

import numpy as np

from experiments.results import estimates, markdown
from experiments.results.estimates import Estimate
from experiments.results.rows import Row
from experiments.wobble import paired, predictors, probes, variance
from experiments.wobble.arms import ARMS
from experiments.wobble.store import MEASUREMENTS
from jaxdqn.recipes.classic import SOLVED

LAGS = (5, 3, 2, 1, 0)
"""Measurements before a collapse at which the predictors are read."""


def base_of(name: str) -> str:
    """The arm with which `name` is compared; the name itself for the base of a group."""
    return ARMS[name].base or ARMS[name].group


def final(rows: Sequence[Row], name: str) -> dict[int, float]:
    """Seed -> greedy return at the end."""
    return {int(row["seed"]): float(row["final_return"]) for row in rows if row["arm"] == name}


def pairs(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]] | None:
    """Returns of an arm and of its base for the seeds that both have; None for a base or without such seeds."""
    arm, base = final(rows, name), final(rows, base_of(name))
    seeds = sorted(arm.keys() & base.keys())
    if name == base_of(name) or not seeds:
        return None
    return [arm[seed] for seed in seeds], [base[seed] for seed in seeds]


def arms_in(rows: Sequence[Row]) -> list[str]:
    """Arms that have rows, in the order of `ARMS`."""
    names = {row["arm"] for row in rows}
    return [name for name in ARMS if name in names]


def arms_table(rows: Sequence[Row]) -> str:
    """One line per arm, compared with its base."""
    lines = []
    for name in arms_in(rows):
        arm, values = ARMS[name], list(final(rows, name).values())
        line = {
            "arm": name,
            "changed": arm.changed + (f" (against {ARMS[arm.base].changed})" if arm.base else ""),
            "solved at the end": estimates.solved(values),
            "mean return": f"{np.mean(values):.0f}",
            **dict.fromkeys(("difference, seeds per 100", "gained, lost", "p"), "–"),
            **dict.fromkeys(("difference of the means", "expected", "found"), "–"),
        }
        if both := pairs(rows, name):
            compared, mean = paired.solved(*both), paired.mean_difference(*both)
            line |= {
                "difference, seeds per 100": interval(compared.difference, 100),
                "gained, lost": f"{compared.gained}, {compared.lost}",
                "p": f"{compared.p:.1g}",
                "difference of the means": interval(mean),
                "expected": arm.expected,
                "found": paired.verdict(compared.difference),
            }
        lines.append(line)
    return markdown.table("Greedy return of the last network, compared seed by seed", lines)


def split_table(rows: Sequence[Row]) -> str:
    """Variance of the student's agents in the last fifth of training; empty without such rows."""
    lines = []
    for name in arms_in(rows):
        parts = split(rows, name)
        if parts is None:
            continue
        lines.append(
            {
                "arm": name,
                "changed": ARMS[name].changed,
                "exploration noise, % of the variance": interval(
                    variance.exploration_share(parts), 100
                ),
                "standard deviation within a policy": f"{np.sqrt(parts.exploration.mean()):.0f}",
                "between policies": f"{np.sqrt(max(parts.policy.mean(), 0)):.0f}",
            }
        )
    title = "Variance of the return: policies of the last fifth of training, 20 episodes each"
    return markdown.table(title, lines) if lines else ""


def split(rows: Sequence[Row], name: str) -> variance.Split | None:
    """The variances of the seeds of an arm; None for the default agents."""
    of_arm = [row for row in rows if row["arm"] == name and row["exploration"]]
    if not of_arm:
        return None
    return variance.Split(
        *(np.array([float(row[x]) for row in of_arm]) for x in variance.Split._fields)
    )


def series(rows: Sequence[Row], name: str) -> dict[str, np.ndarray]:
    """Column of measurements.csv -> `[S, P]` of an arm; NaN after the end of a training."""
    of_arm = [row for row in rows if row["arm"] == name]
    seeds = {seed: i for i, seed in enumerate(sorted({int(row["seed"]) for row in of_arm}))}
    shape = len(seeds), 1 + max(int(row["measurement"]) for row in of_arm)
    columns = {name: np.full(shape, np.nan) for name in MEASUREMENTS[3:]}
    for row in of_arm:
        for column, values in columns.items():
            values[seeds[int(row["seed"])], int(row["measurement"])] = float(row[column])
    return columns


def predictors_table(rows: Sequence[Row]) -> str:
    """Predictors before a collapse, compared with seeds that hold."""
    lines = []
    for name in arms_in(rows):
        found = series(rows, name)
        eval_return = found["eval_return"]
        collapsed = predictors.first_collapses(eval_return).sum()
        solved = np.sum(np.nanmax(eval_return, axis=1) >= SOLVED)
        for predictor, values in predictors.of(found).items():
            line = {
                "arm": name,
                "ever solved, collapsed": f"{solved}, {collapsed}",
                "predictor": predictor,
            }
            for lag in LAGS:
                line[f"{lag} before" if lag else "at the collapse"] = interval(
                    predictors.lead(values, eval_return, lag), 100
                )
            lines.append(line)
    title = (
        "Probability, %, that a predictor is larger before a collapse than in a seed that holds "
        "at that time; 50 means no difference"
    )
    return markdown.table(title, lines)


def course_table(rows: Sequence[Row]) -> str:
    """Measurements at a tenth, at half and at the end of each training, and how much the return changes late."""
    lines = []
    for name in arms_in(rows):
        found = series(rows, name)
        eval_return = found["eval_return"]
        last = np.array([np.flatnonzero(np.isfinite(row))[-1] for row in eval_return])
        tenth = np.maximum(last // 10, 1)  # Churn needs two measurements.
        seeds = np.arange(len(last))
        collapsed = probes.collapses(eval_return).any(axis=1)
        steps = np.abs(np.diff(eval_return, axis=1))
        late = np.concatenate([row[4 * n // 5 : n] for row, n in zip(steps, last, strict=True)])
        line = {
            "arm": name,
            "collapsed, of these solved at the end": f"{collapsed.sum()}, "
            f"{np.sum(eval_return[seeds, last][collapsed] >= SOLVED)}",
            "change of greedy return per measurement, last fifth": f"{np.nanmean(late):.1f}",
        }
        columns = {x: found[x] for x in ("value", "monte_carlo", "action_gap")}
        shares = {x: 100 * found[x] for x in ("churn", "terminal_share")}
        for column, values in (columns | shares).items():
            at = (values[seeds, when] for when in (tenth, last // 2, last))
            unit = ", %" if column in shares else ""
            line[f"{column.replace('_', ' ')}{unit}"] = " → ".join(map(middle, at))
        lines.append(line)
    title = (
        "Measurements at a tenth of the training → at half → at the end: median of the seeds "
        "(10 % to 90 % quantile)"
    )
    return markdown.table(title, lines)


def middle(values: np.ndarray, spec: str = ".3g") -> str:
    """Median of the seeds, with the 10 % and the 90 % quantile: `12 (9.5 to 13)`."""
    low, median, high = np.nanquantile(values, (0.1, 0.5, 0.9))
    return f"{median:{spec}} ({low:{spec}} to {high:{spec}})"


def long_table(rows: Sequence[Row]) -> str:
    """One line per long training, compared with the first of them."""
    lines, names = [], list(dict.fromkeys(row["arm"] for row in rows))
    for name in names:
        episodes = sorted({int(row["episode"]) for row in rows if row["arm"] == name})

        def at(episode: int, column: str, name: str = name) -> dict[str, float]:
            """Seed -> value."""
            wanted = (name, str(episode))
            return {
                row["seed"]: float(row[column])
                for row in rows
                if (row["arm"], row["episode"]) == wanted
            }

        end = at(episodes[-1], "train_return")
        line: dict[str, str] = {"arm": name, "seeds": str(len(end))}
        for i in sorted({0, len(episodes) // 2 - 1, len(episodes) - 1}):
            for title, column in (
                ("training, to episode", "train_return"),
                ("greedy at", "eval_return"),
            ):
                values = list(at(episodes[i], column).values())
                line[f"{title} {episodes[i]:,}"] = f"{np.mean(values):.0f}"
        first = at(episodes[-1], "train_return", names[0])
        both = sorted(end.keys() & first.keys())
        against = paired.mean_difference([end[x] for x in both], [first[x] for x in both])
        line["training at the end, minus the first line"] = interval(against)
        line["solved at the end"] = estimates.solved(list(at(episodes[-1], "eval_return").values()))
        blocks = [np.mean(list(at(episode, "train_return").values())) for episode in episodes]
        line["highest mean of a block"] = f"{max(blocks):.0f}"
        lines.append(line)
    return markdown.table("Long trainings", lines)


def interval(estimate: Estimate, scale: float = 1.0) -> str:
    """`5 (-1 to 11)`."""
    if np.isnan(estimate.value):
        return "–"
    value, low, high = (round(scale * x) for x in estimate)
    return f"{value} ({low} to {high})"
