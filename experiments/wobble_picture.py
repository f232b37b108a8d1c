"""What does the study look like? Four figures: dice and policy, the arms, signs of a collapse, very long trainings."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import signs, summary
from experiments import wobble_tables as tables
from experiments.wobble_arms import ARMS
from experiments.wobble_store import Row

STRONG, CALM, FAINT, INK = "#c2410c", "#2563a8", "#c9c3b8", "#374151"
BEFORE = 8
"""Looks before a collapse that are shown."""
FAMILIES = {
    "student": "the student's agent, one thing replaced",
    "repaired": "his agent with the uniform draw, one thing replaced",
    "default": "our default, one thing replaced",
}
LONG_LABELS = {
    "student": "the student's agent",
    "student-start": "training from 100 transitions on",
    "failing": "his first version",
}
UNITS = {
    "greedy return": "points",
    "action gap": "points",
    "churn": "share",
    "value less return": "points",
    "falls in the replay": "share",
}


def draw(folder: Path, rows: dict[str, list[Row]]) -> list[Path]:
    """Saves every figure that there are rows for."""
    figures = {
        "wobble_split": split(rows["seeds"]),
        "wobble_arms": arms(rows["seeds"]),
        "wobble_signs": before(rows["looks"]),
        "wobble_long": long(rows["long"]),
    }
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            paths.append(folder / f"{name}.png")
            _save(figure, paths[-1])
    return paths


def _save(figure: Figure, path: Path) -> None:
    """In 64 colours, half the size of the file."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def split(rows: Sequence[Row]) -> Figure | None:
    """A bar a student's arm: the variance of his curve, the part of the dice and that of the policy."""
    parts = {name: tables.split(rows, name) for name in tables.there(rows)}
    found = {name: x for name, x in parts.items() if x is not None}
    if not found:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.28 * len(found)), layout="constrained")
    axes = figure.subplots()
    names = list(found)
    dice = np.array([found[name].dice.mean() for name in names])
    policy = np.array([max(found[name].policy.mean(), 0) for name in names])
    axes.barh(names, dice, color=STRONG, label="dice: the same policy, played again")
    axes.barh(names, policy, left=dice, color=CALM, label="policy: one differs from another")
    axes.invert_yaxis()
    axes.set(xlabel="variance of the return in the last fifth of training, points²")
    axes.set_yticks(range(len(names)), [_in_full(name) for name in names], fontsize=8)
    _bare(axes)
    axes.legend(frameon=False, fontsize=8)
    return figure


def arms(rows: Sequence[Row]) -> Figure | None:
    """A line an arm: seeds solved at the end with Wilson's interval; the base of each family as a line down."""
    names = tables.there(rows)
    families = [f for f in FAMILIES if any(ARMS[name].family == f for name in names)]
    if not names:
        return None
    groups = [
        [f] * (f in names) + [n for n in names if ARMS[n].family == f and n != f] for f in families
    ]
    figure = Figure(figsize=(8, 1.5 + 0.24 * sum(map(len, groups))), layout="constrained")
    heights = [max(len(group), 1) for group in groups]
    rows_of_axes = figure.subplots(
        len(groups), 1, squeeze=False, sharex=True, height_ratios=heights
    )
    for axes, group, family in zip(rows_of_axes[:, 0], groups, families, strict=True):
        for y, name in enumerate(group):
            rate = summary.solve_rate(list(tables.final(rows, name).values()))
            color = INK if name == family else STRONG
            axes.plot([100 * rate.low, 100 * rate.high], [y, y], color=color, linewidth=2)
            axes.plot(100 * rate.value, y, "o", color=color, markersize=5)
            if name == family:
                axes.axvline(100 * rate.value, color=FAINT, linewidth=1, zorder=0)
        axes.set_yticks(range(len(group)), [_label(name) for name in group], fontsize=8)
        axes.set_title(FAMILIES[family], loc="left", fontsize=9)
        axes.set_ylim(len(group) - 0.5, -0.5)
        _bare(axes)
    rows_of_axes[-1, 0].set(
        xlabel="seeds solved at the end, %, and Wilson's interval", xlim=(-2, 102)
    )
    return figure


def before(rows: Sequence[Row]) -> Figure | None:
    """A row an arm that collapses, a column a sign: medians before it, and in seeds that hold at that time."""
    series = {name: tables.series(rows, name) for name in tables.there(rows)}
    shown = {
        name: s for name, s in series.items() if signs.first_collapses(s["greedy_return"]).any()
    }
    if not shown:
        return None
    figure = Figure(figsize=(11, 2.3 * len(shown) + 0.4), layout="constrained")
    grid = figure.subplots(len(shown), len(UNITS), squeeze=False, sharex=True)
    for line, (name, found) in zip(grid, shown.items(), strict=True):
        events = signs.first_collapses(found["greedy_return"])
        held = signs.holding(found["greedy_return"])
        for axes, (sign, values) in zip(line, signs.of(found).items(), strict=True):
            x = np.arange(-BEFORE, 1)
            here, there = _around(values, events, held)
            axes.plot(x, there, color=CALM, linewidth=1.5, label="holds at that time")
            axes.plot(x, here, color=STRONG, linewidth=2, label="collapses at 0")
            axes.set_title(f"{sign}, {UNITS[sign]}", fontsize=8, loc="left")
            axes.tick_params(labelsize=7)
            _bare(axes)
        line[0].set_ylabel(f"{_label(name)}\n{events.sum()} collapses", fontsize=8)
    grid[0, 0].legend(frameon=False, fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("looks", fontsize=8)
    return figure


def _around(values: np.ndarray, events: np.ndarray, held: np.ndarray) -> tuple[list, list]:
    """Medians `[BEFORE + 1]` up to events, and of the seeds that hold when each event happens."""
    here, there = [], []
    for k in range(BEFORE, -1, -1):
        mine, others = [], []
        for seed, look in zip(*np.nonzero(events), strict=True):
            if look >= k:
                mine.append(values[seed, look - k])
                others.append(values[held[:, look], look - k])
        both = mine, np.concatenate(others) if others else np.array([])
        for medians, x in zip((here, there), both, strict=True):
            known = np.asarray(x)[np.isfinite(x)]
            medians.append(np.median(known) if known.size else np.nan)
    return here, there


def long(rows: Sequence[Row]) -> Figure | None:
    """A curve a long training: mean return while learning, and greedy, of all its seeds."""
    if not rows:
        return None
    figure = Figure(figsize=(8, 3), layout="constrained")
    pair = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(row["arm"] for row in rows))
    for name, color in zip(names, (INK, CALM, STRONG), strict=False):
        mine = [row for row in rows if row["arm"] == name]
        episodes = sorted({int(row["episode"]) for row in mine})
        for axes, column in zip(pair, ("train_return", "greedy_return"), strict=True):
            of = [[float(r[column]) for r in mine if int(r["episode"]) == e] for e in episodes]
            axes.plot(
                episodes,
                [np.mean(x) for x in of],
                color=color,
                linewidth=2,
                label=LONG_LABELS[name],
            )
            axes.plot(episodes, of, color=color, linewidth=0.4, alpha=0.35)
    for axes, title in zip(pair, ("while it learns", "greedy"), strict=True):
        axes.set(xlabel="episode", ylim=(0, 510))
        axes.set_title(title, loc="left", fontsize=9)
        _bare(axes)
    pair[0].set_ylabel("return: mean, and every seed")
    pair[0].legend(frameon=False, fontsize=8)
    return figure


def _label(name: str) -> str:
    return ARMS[name].changed


def _in_full(name: str) -> str:
    """The label of an arm among those of both families of the student."""
    return f"uniform draw, {_label(name)}" if ARMS[name].family == "repaired" else _label(name)


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
