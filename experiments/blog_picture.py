"""What did the student see, and what could his networks do? A row a version: his curve, and beside it greedy play."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FAINT, STRONG, MARK = "#9aa5b1", "#c2410c", "#c9c3b8"
WINDOW = 50
SOLVED = 475.0
TITLES = {
    "blog": "The agent that learnt",
    "failing": "The first version: training from 100 transitions on, episodes of up to 2,000 steps",
}


def draw(path: Path, results: Mapping[str, Any], period: int) -> None:
    """Saves the `figure` at `path`."""
    figure(results, period).savefig(path, dpi=110)


def figure(results: Mapping[str, Any], period: int) -> Figure:
    """Of each version `train_return [S, E]` of one seed, and `greedy_return [S, E / period]` of all.

    The seed is the one in the middle by the mean of its last fifth: the curve of a student
    neither lucky nor unlucky.
    """
    picture = Figure(figsize=(10, 3.4 * len(results)), layout="constrained")
    rows = picture.subplots(len(results), 2, squeeze=False, sharey="col")
    highest = 1.0
    for (name, result), (left, right) in zip(results.items(), rows, strict=True):
        seed = typical(result.train_return)
        highest = max(highest, result.train_return[seed].max())
        _as_he_saw_it(left, result.train_return[seed])
        _greedy(right, result.greedy_return, seed, period)
        left.set_title(TITLES.get(name, name), loc="left", fontsize=9)
        for axes in (left, right):
            axes.set(xlabel="episode", xlim=(0, result.train_return.shape[1]))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
            axes.legend(frameon=False, loc="upper left", fontsize=8)
    rows[0, 0].set_ylim(0, 1.25 * highest)
    return picture


def typical(train_return: np.ndarray) -> int:
    """The seed whose last fifth has the mean in the middle, of `[S, E]`; of two the lower."""
    last = train_return[:, -max(train_return.shape[1] // 5, 1) :].mean(axis=1)
    return int(np.argsort(last, kind="stable")[(len(last) - 1) // 2])


def moving_average(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """`[E]`, the mean of the last `window` of `values [E]`, at the start of as many as there are."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    return (total[end] - total[start]) / (end - start)


def _as_he_saw_it(axes: Axes, train_return: np.ndarray) -> None:
    episode = np.arange(1, len(train_return) + 1)
    axes.plot(episode, train_return, color=FAINT, linewidth=0.8, label="an episode of training")
    label = f"mean of the last {WINDOW}"
    axes.plot(episode, moving_average(train_return), color=STRONG, linewidth=2, label=label)
    axes.set_ylabel("return")


def _greedy(axes: Axes, greedy_return: np.ndarray, seed: int, period: int) -> None:
    episode = period * np.arange(1, greedy_return.shape[1] + 1)
    low, middle, high = np.quantile(greedy_return, (0.1, 0.5, 0.9), axis=0)
    label = f"median and 10–90 % of {len(greedy_return)} seeds"
    axes.axhline(SOLVED, color=MARK, linewidth=1, zorder=0)
    axes.fill_between(episode, low, high, color=STRONG, alpha=0.18, linewidth=0)
    axes.plot(episode, middle, color=STRONG, linewidth=2, label=label)
    label = "the same seed, played greedily"
    axes.plot(episode, greedy_return[seed], color="#374151", linewidth=1.2, label=label)
    axes.set(ylabel="greedy return, mean of an evaluation", ylim=(0, 640))
    axes.set_yticks(range(0, 501, 100))
