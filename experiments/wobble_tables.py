"""What did the study find? Its CSVs as tables: solved seeds, dice and policy, signs of a collapse, long trainings."""

from collections.abc import Sequence

import numpy as np

from experiments import measure, paired, signs, summary, variance
from experiments.summary import Estimate
from experiments.wobble_arms import ARMS
from experiments.wobble_store import LOOKS, Row

AHEAD = (5, 3, 2, 1, 0)
"""Looks before a collapse that the signs are read at."""


def base_of(name: str) -> str:
    """The arm that `name` is compared with; its own name for a base."""
    return ARMS[name].family


def final(rows: Sequence[Row], name: str) -> dict[int, float]:
    """Seed -> greedy return at the end."""
    return {int(row["seed"]): float(row["final_return"]) for row in rows if row["arm"] == name}


def pairs(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]] | None:
    """Returns of an arm and of its base, of the seeds that both have; None for a base, or where there is none."""
    mine, theirs = final(rows, name), final(rows, base_of(name))
    seeds = sorted(mine.keys() & theirs.keys())
    if name == base_of(name) or not seeds:
        return None
    return [mine[seed] for seed in seeds], [theirs[seed] for seed in seeds]


def there(rows: Sequence[Row]) -> list[str]:
    """Arms that have rows, in the order of `ARMS`."""
    names = {row["arm"] for row in rows}
    return [name for name in ARMS if name in names]


def arms_table(rows: Sequence[Row]) -> str:
    """A line an arm, against its base."""
    lines = []
    for name in there(rows):
        arm, values = ARMS[name], list(final(rows, name).values())
        line = {
            "arm": name,
            "changed": arm.changed,
            "solved at the end": summary.solved(values),
            "mean return": f"{np.mean(values):.0f}",
            **dict.fromkeys(("difference, points of 100", "gained, lost", "p"), "–"),
            **dict.fromkeys(("of the mean", "expected", "found"), "–"),
        }
        if both := pairs(rows, name):
            compared, mean = paired.solved(*both), paired.mean_difference(*both)
            line |= {
                "difference, points of 100": interval(compared.difference, 100),
                "gained, lost": f"{compared.gained}, {compared.lost}",
                "p": f"{compared.p:.1g}",
                "of the mean": interval(mean),
                "expected": arm.expected,
                "found": paired.verdict(compared.difference),
            }
        lines.append(line)
    return measure.table("Greedy return of the last network, one seed after another", lines)


def split_table(rows: Sequence[Row]) -> str:
    """Dice and policy in the student's curves, over the last fifth of his episodes."""
    lines = []
    for name in there(rows):
        parts = split(rows, name)
        if parts is None:
            continue
        share = variance.dice_share(parts)
        lines.append(
            {
                "arm": name,
                "changed": ARMS[name].changed,
                "dice, % of the variance": interval(share, 100),
                "deviation within a policy": f"{np.sqrt(parts.dice.mean()):.0f}",
                "of the policies' means": f"{np.sqrt(max(parts.policy.mean(), 0)):.0f}",
            }
        )
    return measure.table("Variance of the return in the last fifth of training", lines)


def split(rows: Sequence[Row], name: str) -> variance.Split | None:
    """Of the seeds of an arm of the student; None for ours."""
    mine = [row for row in rows if row["arm"] == name and row["dice"]]
    if not mine:
        return None
    return variance.Split(*(np.array([float(row[x]) for row in mine]) for x in ("dice", "policy")))


def series(rows: Sequence[Row], name: str) -> dict[str, np.ndarray]:
    """Column -> `[S, P]` of an arm's looks; not a number where training had ended."""
    mine = [row for row in rows if row["arm"] == name]
    seeds = {seed: i for i, seed in enumerate(sorted({int(row["seed"]) for row in mine}))}
    num_looks = 1 + max(int(row["look"]) for row in mine)
    columns = {name: np.full((len(seeds), num_looks), np.nan) for name in LOOKS[3:]}
    for row in mine:
        for column, values in columns.items():
            values[seeds[int(row["seed"])], int(row["look"])] = float(row[column])
    return columns


def signs_table(rows: Sequence[Row]) -> str:
    """What is larger or smaller before a collapse than in seeds that hold."""
    lines = []
    for name in there(rows):
        found = series(rows, name)
        greedy = found["greedy_return"]
        events = signs.first_collapses(greedy).sum()
        ever = np.sum(np.nanmax(greedy, axis=1) >= summary.SOLVED)
        for sign, values in signs.of(found).items():
            line = {"arm": name, "ever solved, collapsed": f"{ever}, {events}", "sign": sign}
            for k in AHEAD:
                line[f"{k} before" if k else "at it"] = interval(signs.lead(values, greedy, k), 100)
            lines.append(line)
    title = (
        "Chance of a higher sign before a collapse than in a seed that holds, %; 50 says nothing"
    )
    return measure.table(title, lines)


def long_table(rows: Sequence[Row]) -> str:
    """What becomes of the student's agents in very long trainings."""
    lines, first = [], np.array([])
    for name in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == name]
        episodes = sorted({int(row["episode"]) for row in mine})
        train, greedy = (
            np.array([[float(r[x]) for r in mine if int(r["episode"]) == e] for e in episodes])
            for x in ("train_return", "greedy_return")
        )
        line: dict[str, str] = {"arm": name, "seeds": str(train.shape[1])}
        for i in sorted({0, len(episodes) // 2 - 1, len(episodes) - 1}):
            line[f"training, to episode {episodes[i]:,}"] = f"{train[i].mean():.0f}"
            line[f"greedy at {episodes[i]:,}"] = f"{greedy[i].mean():.0f}"
        first = train[-1] if name == rows[0]["arm"] else first
        against = paired.mean_difference(train[-1].tolist(), first.tolist())
        line["training at the end, less the first line's"] = interval(against)
        line["solved at the end"] = summary.solved(greedy[-1].tolist())
        line["highest mean of a block"] = f"{train.max():.0f}"
        lines.append(line)
    return measure.table("Very long trainings", lines)


def interval(estimate: Estimate, scale: float = 1.0) -> str:
    """`5 (-1 to 11)`."""
    value, low, high = (scale * x for x in estimate)
    return "–" if np.isnan(value) else f"{value:.0f} ({low:.0f} to {high:.0f})"
