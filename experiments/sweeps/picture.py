"""Picture of a sweep: the final returns of all seeds against the hyperparameters."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from experiments.sweeps.grid import is_short, labels
from jaxdqn.runs.plots import FAINT, MARK, STRONG, bare, save

Row = Mapping[str, Any]

RATES = LinearSegmentedColormap.from_list("rates", ["#f3f1ec", STRONG])
LOG_SPAN = 20.0
"""Ratio of the largest to the smallest value above which an axis is logarithmic."""
MOST_LABELS = 16
MOST_COLUMNS = 3


def draw(path: Path, rows: Sequence[Row], names: Sequence[str], solved_at: float | None) -> None:
    """Saves the `figure` of `rows` at `path`."""
    save(figure(rows, names, solved_at), path)


def figure(rows: Sequence[Row], names: Sequence[str], solved_at: float | None) -> Figure:
    """The figure for `names`, the hyperparameters that have more than one value.

    No name: one dot per seed. One name: returns against it. Two names that form a grid: a heat
    map of solve rates, or of mean returns if `solved_at` is None. More names, or random draws: one
    panel per name. Of each row (at least one) the columns `names`, `seed` and `final_return` are
    read, as numbers or as text of a CSV.
    """
    returns = np.array([float(row["final_return"]) for row in rows])
    points = np.array([[float(row[name]) for name in names or ["seed"]] for row in rows])
    if len(names) == 2:
        sides = [np.unique(column) for column in points.T]
        full = len(np.unique(points, axis=0)) == len(sides[0]) * len(sides[1])
        if full and not any(map(_are_random, sides)):
            return _heat_map(names, sides, points, returns, solved_at)
    return _panels(names, points, returns, solved_at)


def _panels(
    names: Sequence[str], points: np.ndarray, returns: np.ndarray, solved_at: float | None
) -> Figure:
    """Returns against each column of `points` `[rows, names]`, or against the seed without a name."""
    width = min(points.shape[1], MOST_COLUMNS)
    height = math.ceil(points.shape[1] / width)
    size = (7, 4) if width == 1 else (3.5 * width, 0.3 + 2.9 * height)
    picture = Figure(figsize=size, layout="constrained")
    grid = picture.subplots(height, width, sharey=True, squeeze=False)
    for axes in grid.flat[points.shape[1] :]:
        axes.remove()
    configurations, index = np.unique(points, axis=0, return_inverse=True)
    medians = [np.median(returns[index.ravel() == i]) for i in range(len(configurations))]
    shown = {}
    for i, (axes, x) in enumerate(zip(grid.flat, points.T, strict=False)):
        values = np.unique(x)
        if solved_at is not None:
            label = f"solved, {solved_at:g}"
            axes.axhline(solved_at, color=MARK, linewidth=1, zorder=0, label=label)
        axes.plot(x, returns, "o", color=FAINT, markersize=4, alpha=0.6, zorder=1, label="one seed")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=not names))
        if not names:
            median = np.median(returns)
            axes.axhline(median, color=STRONG, linewidth=2.5, zorder=0, label="median")
        elif not _are_random(values) and (len(names) == 1 or len(values) < len(configurations)):
            _band(axes, x, returns)
        else:
            label = "median of a configuration"
            axes.plot(configurations[:, i], medians, "o", color=STRONG, markersize=4.5, label=label)
        if names and values[0] > 0 and values[-1] > LOG_SPAN * values[0]:
            axes.set_xscale("log")
            subs = (1, 3) if values[-1] < 300 * values[0] else (1,)
            axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=5))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())  # Its labels overlap.
        axes.set(xlabel=names[i] if names else "seed")
        bare(axes)
        handles, texts = axes.get_legend_handles_labels()
        shown |= dict(zip(texts, handles, strict=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("final evaluation return")
    place = {"loc": "outside upper right", "ncols": len(shown)}
    picture.legend(shown.values(), shown.keys(), frameon=False, fontsize=8, **place)
    return picture


def _band(axes: Axes, x: np.ndarray, returns: np.ndarray) -> None:
    """Median against x, and a band from the 10 % to the 90 % quantile."""
    values = np.unique(x)
    quantiles = [np.quantile(returns[x == value], (0.1, 0.5, 0.9)) for value in values]
    low, median, high = np.transpose(quantiles)
    label = "median and 10–90 %"
    axes.fill_between(values, low, high, color=STRONG, alpha=0.18, linewidth=0, zorder=0)
    axes.plot(values, median, "o-", color=STRONG, linewidth=2.5, markersize=5, label=label)


def _heat_map(
    names: Sequence[str],
    sides: list[np.ndarray],
    points: np.ndarray,
    returns: np.ndarray,
    solved_at: float | None,
) -> Figure:
    """Cells of equal size, the first name upwards; the colour is the solve rate, the text the mean return.

    Without `solved_at` the colour is the mean return too.
    """
    height, width = map(len, sides)
    size = (min(3.2 + 0.7 * width, 10), min(1.6 + 0.5 * height, 7))
    picture = Figure(figsize=size, layout="constrained")
    axes = picture.subplots()
    means, rates = np.empty((height, width)), np.empty((height, width))
    for row, column in np.ndindex(height, width):
        here = returns[np.all(points == (sides[0][row], sides[1][column]), axis=1)]
        means[row, column] = np.mean(here)
        rates[row, column] = np.mean(here) if solved_at is None else np.mean(here >= solved_at)
    low, high = (rates.min(), rates.max()) if solved_at is None else (0.0, 1.0)
    if max(height, width) <= MOST_LABELS:
        for row, column in np.ndindex(height, width):
            color = "white" if rates[row, column] > low + 0.75 * (high - low) else "#374151"
            text = f"{means[row, column]:.4g}"
            axes.text(column, row, text, color=color, ha="center", va="center", fontsize=9)
    image = axes.imshow(rates, origin="lower", aspect="auto", cmap=RATES, vmin=low, vmax=high)
    axes.set(ylabel=names[0], xlabel=names[1])
    for axis, values in ((axes.yaxis, sides[0]), (axes.xaxis, sides[1])):
        shown = range(0, len(values), math.ceil(len(values) / MOST_LABELS))
        axis.set_ticks(shown, [labels(values)[i] for i in shown])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelrotation=40 if width > 8 else 0)
    axes.spines[:].set_visible(False)
    bar = picture.colorbar(image)
    if solved_at is None:
        bar.set_label("mean return", fontsize=8)
    else:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        bar.set_label(f"solved seeds (return ≥ {solved_at:g});\ntext: mean return", fontsize=8)
    bar.outline.set_visible(False)
    return picture


def _are_random(values: np.ndarray) -> bool:
    """Whether sorted `values` are neither evenly spaced, nor a short list of short numbers."""
    scales = [values, np.log(values)] if values[0] > 0 else [values]
    steps = map(np.diff, scales)
    even = any(np.allclose(step, step[:1], rtol=1e-6, atol=0) for step in steps)
    return not even and (len(values) > MOST_LABELS or not all(map(is_short, values)))
