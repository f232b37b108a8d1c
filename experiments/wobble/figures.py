"""Figures of the study: variance of the return, solved seeds, predictors of a collapse, long trainings."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from experiments.results import estimates
from experiments.results.rows import Row
from experiments.wobble import predictors, tables
from experiments.wobble.arms import ARMS
from experiments.wobble.style import CALM, INK, bare
from jaxdqn.runs.plots import MARK, STRONG

BEFORE = 8
"""Measurements before a collapse that are drawn."""
GROUPS = {
    "student": "the student's agent, one part replaced",
    "student_fixed": "the student's agent with the uniform draw, one part replaced",
    "default": "the default agent, one part replaced",
}
LONG_LABELS = {
    "student": "the student's agent",
    "student-start": "learning starts at 100 transitions",
    "failing": "the student's first version",
}
PREDICTORS = (
    "greedy return, points",
    "action gap, points",
    "churn, share",
    "value minus return, points",
    "terminal transitions, share",
)
"""Titles, in the order of `predictors.of`."""


def draw(folder: Path, rows: dict[str, list[Row]]) -> list[Path]:
    """Saves every figure for which there are rows."""
    figures = {
        "split": split(rows["seeds"]),
        "arms": arms(rows["seeds"]),
        "predictors": before(rows["measurements"]),
        "long": long(rows["long"]),
    }
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            paths.append(folder / f"{name}.png")
            _save(figure, paths[-1])
    return paths


def _save(figure: Figure, path: Path) -> None:
    """In 64 colours, which halves the size of the file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def split(rows: Sequence[Row]) -> Figure | None:
    """One bar per arm of the student's agent: the variance within and between its policies."""
    parts = {name: tables.split(rows, name) for name in tables.arms_in(rows)}
    found = {name: x for name, x in parts.items() if x is not None}
    if not found:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.28 * len(found)), layout="constrained")
    axes = figure.subplots()
    names = list(found)
    noise = np.array([found[name].exploration.mean() for name in names])
    policy = np.array([max(found[name].policy.mean(), 0) for name in names])
    axes.barh(names, noise, color=STRONG, label="exploration noise within a policy")
    axes.barh(names, policy, left=noise, color=CALM, label="differences between policies")
    axes.invert_yaxis()
    axes.set(xlabel="variance of the return in the last fifth of training, points²")
    axes.set_yticks(range(len(names)), [_in_full(name) for name in names], fontsize=8)
    bare(axes)
    axes.legend(frameon=False, fontsize=8)
    return figure


def arms(rows: Sequence[Row]) -> Figure | None:
    """One line per arm: seeds solved at the end with Wilson's interval; a vertical line marks the base of a group."""
    names = tables.arms_in(rows)
    groups = [g for g in GROUPS if any(ARMS[name].group == g for name in names)]
    if not names:
        return None
    arms_of_groups = [
        [g] * (g in names) + [n for n in names if ARMS[n].group == g and n != g] for g in groups
    ]
    figure = Figure(figsize=(8, 1.5 + 0.24 * sum(map(len, arms_of_groups))), layout="constrained")
    heights = [max(len(of_group), 1) for of_group in arms_of_groups]
    rows_of_axes = figure.subplots(
        len(groups), 1, squeeze=False, sharex=True, height_ratios=heights
    )
    for axes, of_group, group in zip(rows_of_axes[:, 0], arms_of_groups, groups, strict=True):
        for y, name in enumerate(of_group):
            rate = estimates.solve_rate(list(tables.final(rows, name).values()))
            color = INK if name == group else STRONG
            axes.plot([100 * rate.low, 100 * rate.high], [y, y], color=color, linewidth=2)
            axes.plot(100 * rate.value, y, "o", color=color, markersize=5)
            if name == group:
                axes.axvline(100 * rate.value, color=MARK, linewidth=1, zorder=0)
        axes.set_yticks(range(len(of_group)), [_label(name) for name in of_group], fontsize=8)
        axes.set_title(GROUPS[group], loc="left", fontsize=9)
        axes.set_ylim(len(of_group) - 0.5, -0.5)
        bare(axes)
    rows_of_axes[-1, 0].set(
        xlabel="seeds solved at the end, %, with Wilson's interval", xlim=(-2, 102)
    )
    return figure


def before(rows: Sequence[Row]) -> Figure | None:
    """One row per arm with collapses, one column per predictor: medians before a collapse and in seeds that hold."""
    series = {name: tables.series(rows, name) for name in tables.arms_in(rows)}
    shown = {
        name: s for name, s in series.items() if predictors.first_collapses(s["eval_return"]).any()
    }
    if not shown:
        return None
    figure = Figure(figsize=(11, 2.3 * len(shown) + 0.4), layout="constrained")
    grid = figure.subplots(len(shown), len(PREDICTORS), squeeze=False, sharex=True)
    for line, (name, found) in zip(grid, shown.items(), strict=True):
        collapsed = predictors.first_collapses(found["eval_return"])
        held = predictors.holding(found["eval_return"])
        columns = zip(line, PREDICTORS, predictors.of(found).values(), strict=True)
        for axes, title, values in columns:
            x = np.arange(-BEFORE, 1)
            of_collapsed, of_held = _medians(values, collapsed, held)
            axes.plot(x, of_held, color=CALM, linewidth=1.5, label="holding seeds")
            axes.plot(x, of_collapsed, color=STRONG, linewidth=2, label="collapsing seeds")
            axes.set_title(title, fontsize=8, loc="left")
            axes.tick_params(labelsize=7)
            bare(axes)
        line[0].set_ylabel(f"{_label(name)}\n{collapsed.sum()} collapses", fontsize=8)
    grid[0, 0].legend(frameon=False, fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("measurement, 0 = collapse", fontsize=8)
    return figure


def _medians(values: np.ndarray, collapsed: np.ndarray, held: np.ndarray) -> tuple[list, list]:
    """Medians `[BEFORE + 1]` up to the collapses, and of the seeds that hold at the time of each collapse."""
    of_collapsed, of_held = [], []
    for lag in range(BEFORE, -1, -1):
        own, others = [], []
        for seed, time in zip(*np.nonzero(collapsed), strict=True):
            if time >= lag:
                own.append(values[seed, time - lag])
                others.append(values[held[:, time], time - lag])
        both = own, np.concatenate(others) if others else np.array([])
        for medians, x in zip((of_collapsed, of_held), both, strict=True):
            known = np.asarray(x)[np.isfinite(x)]
            medians.append(np.median(known) if known.size else np.nan)
    return of_collapsed, of_held


def long(rows: Sequence[Row]) -> Figure | None:
    """One curve per long training: mean returns in training and in greedy evaluation, and those of each seed."""
    if not rows:
        return None
    figure = Figure(figsize=(8, 3), layout="constrained")
    pair = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(row["arm"] for row in rows))
    for name, color in zip(names, (INK, CALM, STRONG), strict=False):
        of_arm = [row for row in rows if row["arm"] == name]
        episodes = sorted({int(row["episode"]) for row in of_arm})
        for axes, column in zip(pair, ("train_return", "eval_return"), strict=True):
            values = [
                [float(row[column]) for row in of_arm if int(row["episode"]) == episode]
                for episode in episodes
            ]
            means = [np.mean(x) for x in values]
            axes.plot(episodes, means, color=color, linewidth=2, label=LONG_LABELS[name])
            axes.plot(episodes, values, color=color, linewidth=0.4, alpha=0.35)
    titles = ("training, with exploration", "greedy evaluation")
    for axes, title in zip(pair, titles, strict=True):
        axes.set(xlabel="episode", ylim=(0, 510))
        axes.set_title(title, loc="left", fontsize=9)
        bare(axes)
    pair[0].set_ylabel("return: mean, and each seed")
    pair[0].legend(frameon=False, fontsize=8)
    return figure


def _label(name: str) -> str:
    return ARMS[name].changed


def _in_full(name: str) -> str:
    """The label of an arm in a figure of both groups of the student's agent."""
    fixed = ARMS[name].group == "student_fixed"
    return f"uniform draw, {_label(name)}" if fixed else _label(name)
