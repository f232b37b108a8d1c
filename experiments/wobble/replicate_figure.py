"""Figure of the replication: for each version the training curve of one seed, and greedy evaluations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.wobble.style import INK, bare
from jaxdqn.recipes.classic import SOLVED
from jaxdqn.runs.plots import FAINT, MARK, STRONG

WINDOW = 50
"""Episodes of the moving average."""
TITLES = {
    "student": "The version that learnt",
    "failing": "The first version: learning starts at 100 transitions, episodes of up to 2,000 steps",
}


def draw(path: Path, results: Mapping[str, Any], eval_interval: int) -> None:
    """Saves the `figure` at `path`."""
    figure(results, eval_interval).savefig(path, dpi=110)


def figure(results: Mapping[str, Any], eval_interval: int) -> Figure:
    """For each version `train_return [S, E]` of one seed, and `eval_return [S, E / eval_interval]` of all.

    The seed is the median one by the mean return of its last fifth: a typical training curve.
    """
    picture = Figure(figsize=(10, 3.4 * len(results)), layout="constrained")
    rows = picture.subplots(len(results), 2, squeeze=False, sharey="col")
    highest = 1.0
    for (name, result), (left, right) in zip(results.items(), rows, strict=True):
        seed = typical(result.train_return)
        highest = max(highest, result.train_return[seed].max())
        _training(left, result.train_return[seed])
        _evaluation(right, result.eval_return, seed, eval_interval)
        left.set_title(TITLES.get(name, name), loc="left", fontsize=9)
        for axes in (left, right):
            axes.set(xlabel="episode", xlim=(0, result.train_return.shape[1]))
            bare(axes)
            axes.legend(frameon=False, loc="upper left", fontsize=8)
    rows[0, 0].set_ylim(0, 1.25 * highest)
    return picture


def last_fifth(train_return: np.ndarray) -> np.ndarray:
    """The last fifth of the episodes of `train_return [S, E]`, at least one."""
    return train_return[:, -max(train_return.shape[1] // 5, 1) :]


def typical(train_return: np.ndarray) -> int:
    """The median seed of `[S, E]` by the mean of its last fifth; the lower one if S is even."""
    last = last_fifth(train_return).mean(axis=1)
    return int(np.argsort(last, kind="stable")[(len(last) - 1) // 2])


def moving_average(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """`[E]`, mean of the last `window` of `values [E]`; of fewer at the start."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    return (total[end] - total[start]) / (end - start)


def _training(axes: Axes, train_return: np.ndarray) -> None:
    episode = np.arange(1, len(train_return) + 1)
    axes.plot(episode, train_return, color=FAINT, linewidth=0.8, label="training episode")
    label = f"mean of the last {WINDOW}"
    axes.plot(episode, moving_average(train_return), color=STRONG, linewidth=2, label=label)
    axes.set_ylabel("return")


def _evaluation(axes: Axes, eval_return: np.ndarray, seed: int, eval_interval: int) -> None:
    episode = eval_interval * np.arange(1, eval_return.shape[1] + 1)
    low, middle, high = np.quantile(eval_return, (0.1, 0.5, 0.9), axis=0)
    label = f"median and 10–90 % of {len(eval_return)} seeds"
    axes.axhline(SOLVED, color=MARK, linewidth=1, zorder=0)
    axes.fill_between(episode, low, high, color=STRONG, alpha=0.18, linewidth=0)
    axes.plot(episode, middle, color=STRONG, linewidth=2, label=label)
    label = "the seed of the training curve"
    axes.plot(episode, eval_return[seed], color=INK, linewidth=1.2, label=label)
    axes.set(ylabel="greedy return, mean of an evaluation", ylim=(0, 640))
    axes.set_yticks(range(0, 501, 100))
