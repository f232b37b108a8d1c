"""Pictures: the shared colours and axes, and the return curve of a run."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from jaxdqn.runs.directory import write_bytes
from jaxdqn.runs.logs import Row

FAINT, STRONG, MARK = "#9aa5b1", "#c2410c", "#c9c3b8"
"""Colours of single seeds, of medians, and of reference lines."""
LINES = (
    ("train_return", "training, with exploration", FAINT, 1.0),
    ("eval_return", "greedy evaluation", STRONG, 2.5),
)


def curve(path: Path, rows: Sequence[Row], title: str = "", solved_at: float | None = None) -> None:
    """Draws the returns of training (thin) and evaluation (thick) against environment steps.

    Several seeds are one faint line each, with their median and a band from the 10 % to the
    90 % quantile. Chunks in which no training episode ended are left out. The returns are not
    smoothed; a dashed line is at `solved_at`.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = np.array([row["env_steps"] for row in rows])
    for name, label, color, width in LINES:
        values = np.array([row[name] for row in rows], float)
        present = ~np.all(np.isnan(values), axis=1)
        if not present.any():
            continue
        low, middle, high = np.nanquantile(values[present], (0.1, 0.5, 0.9), axis=1)
        if values.shape[1] > 1:
            label = f"{label}; median and 10–90 % of {values.shape[1]} seeds"
            axes.plot(steps, values, color=color, linewidth=0.6, alpha=0.35)
            axes.fill_between(steps[present], low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(steps[present], middle, color=color, linewidth=width, label=label)
    if solved_at is not None:
        label = f"solved, {solved_at:g}"
        axes.axhline(solved_at, color=MARK, linewidth=1.2, linestyle="--", zorder=0, label=label)
    axes.set_ylabel("episode return, not smoothed")
    against_steps(axes)
    axes.set_title(title, fontsize=10)
    axes.margins(y=0.03)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    bare(axes)
    save(figure, path)


def observations(path: Path, steps: np.ndarray, obs: np.ndarray) -> Path:
    """Draws the numbers of the observations `[T, F]` after `steps` `[T]` of an episode, at most ten of them."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for k, values in enumerate(obs.T[:10]):
        axes.plot(steps, values, linewidth=1.2, label=f"obs[{k}]")
    axes.set(xlabel="step", ylabel="observation")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    bare(axes)
    save(figure, path)
    return path


def against_steps(axes: Axes) -> None:
    """Names the horizontal axis, with ticks such as 200k and 10M."""
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` as a PNG, atomically."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    write_bytes(path, file.getvalue())


def bare(axes: Axes) -> None:
    """Removes the frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
