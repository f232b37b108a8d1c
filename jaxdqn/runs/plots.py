"""What does a run look like? The picture of its returns."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

TRAIN, GREEDY = "#9aa5b1", "#c2410c"


def curve(path: Path, rows: list[dict[str, Any]]) -> None:
    """Return against world steps: of training thin, of the greedy policy thick.

    Of several seeds one faint line each, their median, and a band from the 10 % to
    the 90 % quantile. Training returns are missing where no episode ended.
    """
    steps = np.array([row["world_steps"] for row in rows])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    styles = (("train_return", TRAIN, 1.0), ("greedy_return", GREEDY, 2.5))
    labels = {
        "train_return": "training: mean of the episodes that ended, exploring",
        "greedy_return": "greedy: mean of the evaluation, no exploration",
    }
    for name, color, width in styles:
        values = np.array([row[name] for row in rows], float)
        if values.shape[1] > 1:
            axes.plot(steps, values, color=color, linewidth=0.6, alpha=0.35)
            present = ~np.all(np.isnan(values), axis=1)
            low, middle, high = np.nanquantile(values[present], (0.1, 0.5, 0.9), axis=1)
            axes.fill_between(steps[present], low, high, color=color, alpha=0.2, linewidth=0)
        else:
            middle = values[:, 0]
            present = ~np.isnan(middle)
            middle = middle[present]
        axes.plot(steps[present], middle, color=color, linewidth=width, label=labels[name])
    axes.set(xlabel="world steps", ylabel="return of an episode")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
