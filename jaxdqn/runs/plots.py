"""What does a run look like? The picture of its returns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxdqn.runs.logs import Row

LINES = (
    ("train_return", "training, exploring", "#9aa5b1", 1.0),
    ("greedy_return", "greedy evaluation", "#c2410c", 2.5),
)


def curve(path: Path, rows: Sequence[Row]) -> None:
    """Return against world steps: of training thin, of the greedy policy thick.

    Of several seeds one faint line each, their median, and a band from the 10 % to
    the 90 % quantile. A mean over training episodes is missing where none ended.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = np.array([row["world_steps"] for row in rows])
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
    axes.set(xlabel="world steps", ylabel="return of an episode")
    axes.margins(y=0.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
