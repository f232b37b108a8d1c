"""What did the study find? Its CSVs as tables: solved seeds, dice and policy, signs of a collapse, long trainings."""

from collections.abc import Sequence

import numpy as np

from experiments import measure, paired, probes, signs, summary, variance
from experiments.summary import Estimate
from experiments.wobble_arms import ARMS
from experiments.wobble_store import LOOKS, Row

AHEAD = (5, 3, 2, 1, 0)
"""Looks before a collapse that the signs are read at."""


def base_of(name: str) -> str:
    """The arm that `name` is compared with; its own name for a base."""
    return ARMS[name].base or ARMS[name].family


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
            "changed": arm.changed + (f" (against {ARMS[arm.base].changed})" if arm.base else ""),
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
    title = "Variance of the return of policies of the last fifth of training, each played again"
    return measure.table(title, lines) if lines else ""


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


def course_table(rows: Sequence[Row]) -> str:
    """What the looks saw early, halfway and at the last of each seed; and how restless the end is."""
    lines = []
    for name in there(rows):
        found = series(rows, name)
        greedy = found["greedy_return"]
        last = np.array([np.flatnonzero(np.isfinite(row))[-1] for row in greedy])
        tenth = np.maximum(last // 10, 1)  # Churn is between two looks.
        seeds = np.arange(len(last))
        collapsed = probes.collapses(greedy).any(axis=1)
        steps = np.abs(np.diff(greedy, axis=1))
        late = np.concatenate([row[4 * n // 5 : n] for row, n in zip(steps, last, strict=True)])
        line = {
            "arm": name,
            "collapsed, of these solved at the end": f"{collapsed.sum()}, "
            f"{np.sum(greedy[seeds, last][collapsed] >= summary.SOLVED)}",
            "greedy return changes from look to look, last fifth": f"{np.nanmean(late):.1f}",
        }
        columns = {x: found[x] for x in ("value", "monte_carlo", "action_gap")}
        shares = {x: 100 * found[x] for x in ("churn", "terminal_share")}
        for column, values in (columns | shares).items():
            at = (values[seeds, when] for when in (tenth, last // 2, last))
            unit = ", %" if column in shares else ""
            line[f"{column.replace('_', ' ')}{unit}"] = " → ".join(map(middle, at))
        lines.append(line)
    title = "After a tenth of the looks → half → at the end; median of the seeds (10 to 90 %)"
    return measure.table(title, lines)


def middle(values: np.ndarray) -> str:
    """`12 (9.5 to 13)`."""
    low, median, high = np.nanquantile(values, (0.1, 0.5, 0.9))
    return f"{median:.3g} ({low:.3g} to {high:.3g})"


def long_table(rows: Sequence[Row]) -> str:
    """What becomes of the student's agents in very long trainings; compared with the first of them."""
    lines, names = [], list(dict.fromkeys(row["arm"] for row in rows))
    for name in names:
        mine = [row for row in rows if row["arm"] == name]
        episodes = sorted({int(row["episode"]) for row in mine})

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
                ("greedy at", "greedy_return"),
            ):
                values = list(at(episodes[i], column).values())
                line[f"{title} {episodes[i]:,}"] = f"{np.mean(values):.0f}"
        first = at(episodes[-1], "train_return", names[0])
        both = sorted(end.keys() & first.keys())
        against = paired.mean_difference([end[x] for x in both], [first[x] for x in both])
        line["training at the end, less the first line's"] = interval(against)
        line["solved at the end"] = summary.solved(list(at(episodes[-1], "greedy_return").values()))
        blocks = [np.mean(list(at(episode, "train_return").values())) for episode in episodes]
        line["highest mean of a block"] = f"{max(blocks):.0f}"
        lines.append(line)
    return measure.table("Very long trainings", lines)


def interval(estimate: Estimate, scale: float = 1.0) -> str:
    """`5 (-1 to 11)`."""
    if np.isnan(estimate.value):
        return "–"
    value, low, high = (round(scale * x) for x in estimate)
    return f"{value} ({low} to {high})"
