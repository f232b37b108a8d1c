"""Where in the settings does it work? One picture of all seeds, by how many numbers were swept."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from experiments.settings import is_typed, labels
from experiments.summary import SOLVED

Row = Mapping[str, Any]

FAINT, STRONG, MARK = "#9aa5b1", "#c2410c", "#c9c3b8"
RATES = LinearSegmentedColormap.from_list("rates", ["#f3f1ec", STRONG])
LOG_SPAN = 20.0
MOST_LABELS = 16
MOST_COLUMNS = 3


def draw(path: Path, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Saves the `figure` of `rows` at `path`."""
    figure(rows, names).savefig(path, dpi=110)


def figure(rows: Sequence[Row], names: Sequence[str]) -> Figure:
    """The picture that fits `names`, the settings that take more than one value.

    None: a dot a seed. One: returns against it. Two that form a grid: a heat map of the
    fraction of seeds that solved. More, or drawn at random: a panel a name. Of each row,
    of which there is at least one, `names`, `seed` and `final_return` are read, as
    numbers or as the words of a CSV.
    """
    returns = np.array([float(row["final_return"]) for row in rows])
    places = np.array([[float(row[name]) for name in names or ["seed"]] for row in rows])
    if len(names) == 2:
        sides = [np.unique(column) for column in places.T]
        full = len(np.unique(places, axis=0)) == len(sides[0]) * len(sides[1])
        if full and not any(map(_look_drawn, sides)):
            return _heat_map(names, sides, places, returns)
    return _panels(names, places, returns)


def _panels(names: Sequence[str], places: np.ndarray, returns: np.ndarray) -> Figure:
    """Returns against each column of `places` (rows, names), or against the seed without a name."""
    width = min(places.shape[1], MOST_COLUMNS)
    height = math.ceil(places.shape[1] / width)
    size = (7, 4) if width == 1 else (3.5 * width, 0.3 + 2.9 * height)
    picture = Figure(figsize=size, layout="constrained")
    grid = picture.subplots(height, width, sharey=True, squeeze=False)
    for axes in grid.flat[places.shape[1] :]:
        axes.remove()
    settings, setting_of = np.unique(places, axis=0, return_inverse=True)
    middles = [np.median(returns[setting_of.ravel() == i]) for i in range(len(settings))]
    shown = {}
    for i, (axes, x) in enumerate(zip(grid.flat, places.T, strict=False)):
        values = np.unique(x)
        axes.axhline(SOLVED, color=MARK, linewidth=1, zorder=0, label=f"solved, {SOLVED:g}")
        axes.plot(x, returns, "o", color=FAINT, markersize=4, alpha=0.6, zorder=1, label="a seed")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=not names))
        if not names:
            middle = np.median(returns)
            axes.axhline(middle, color=STRONG, linewidth=2.5, zorder=0, label="median")
        elif not _look_drawn(values) and (len(names) == 1 or len(values) < len(settings)):
            _band(axes, x, returns)
        else:
            label = "median of a setting"
            axes.plot(settings[:, i], middles, "o", color=STRONG, markersize=4.5, label=label)
        if names and values[0] > 0 and values[-1] > LOG_SPAN * values[0]:
            axes.set_xscale("log")
        axes.set(xlabel=names[i] if names else "seed", ylim=(0, 515))
        axes.spines[["top", "right"]].set_visible(False)
        handles, called = axes.get_legend_handles_labels()
        shown |= dict(zip(called, handles, strict=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("final greedy return")
    place = {"loc": "outside upper right", "ncols": len(shown)}
    picture.legend(shown.values(), shown.keys(), frameon=False, fontsize=8, **place)
    return picture


def _band(axes: Axes, x: np.ndarray, returns: np.ndarray) -> None:
    """Median against x, and a band from the 10 % to the 90 % quantile."""
    values = np.unique(x)
    each = [np.quantile(returns[x == value], (0.1, 0.5, 0.9)) for value in values]
    low, middle, high = np.transpose(each)
    label = "median and 10–90 %"
    axes.fill_between(values, low, high, color=STRONG, alpha=0.18, linewidth=0, zorder=0)
    axes.plot(values, middle, "o-", color=STRONG, linewidth=2.5, markersize=5, label=label)


def _heat_map(
    names: Sequence[str], sides: list[np.ndarray], places: np.ndarray, returns: np.ndarray
) -> Figure:
    """Cells of equal size, the first name upwards; in each the mean return, its colour the rate."""
    height, width = map(len, sides)
    size = (min(3.2 + 0.7 * width, 10), min(1.6 + 0.5 * height, 7))
    picture = Figure(figsize=size, layout="constrained")
    axes = picture.subplots()
    rates = np.empty((height, width))
    for row, column in np.ndindex(height, width):
        here = returns[np.all(places == (sides[0][row], sides[1][column]), axis=1)]
        rates[row, column] = np.mean(here >= SOLVED)
        if max(height, width) <= MOST_LABELS:
            color = "white" if rates[row, column] > 0.75 else "#374151"
            text = f"{np.mean(here):.0f}"
            axes.text(column, row, text, color=color, ha="center", va="center", fontsize=9)
    image = axes.imshow(rates, origin="lower", aspect="auto", cmap=RATES, vmin=0, vmax=1)
    axes.set(ylabel=names[0], xlabel=names[1])
    for axis, values in ((axes.yaxis, sides[0]), (axes.xaxis, sides[1])):
        shown = range(0, len(values), math.ceil(len(values) / MOST_LABELS))
        axis.set_ticks(shown, [labels(values)[i] for i in shown])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelrotation=40 if width > 8 else 0)
    axes.spines[:].set_visible(False)
    bar = picture.colorbar(image, format=PercentFormatter(1.0, decimals=0))
    bar.set_label(f"seeds with a return ≥ {SOLVED:g};\nin the cell their mean return", fontsize=8)
    bar.outline.set_visible(False)
    return picture


def _look_drawn(values: np.ndarray) -> bool:
    """Whether sorted `values` are no range, even in distance or ratio, nor a list that one types."""
    scales = [values, np.log(values)] if values[0] > 0 else [values]
    steps = map(np.diff, scales)
    even = any(np.allclose(step, step[:1], rtol=1e-6, atol=0) for step in steps)
    return not even and (len(values) > MOST_LABELS or not all(map(is_typed, values)))
