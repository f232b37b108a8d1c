"""What is written down after each chunk? A line of JSON, TensorBoard events, a bar on the terminal."""

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tqdm
from numpy.typing import ArrayLike
from tensorboardX import SummaryWriter

from jaxdqn.runs.directory import write_text
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.session import Report

Row = dict[str, Any]


def row(chunk: int, report: Report) -> Row:
    """A chunk in plain Python; `report` has the seeds `[S]` leading every leaf.

    `null` stands for a mean of nothing: no episode ended in the chunk; of a loss, that it or
    the parameters are no longer finite.
    """
    metrics = report.metrics
    episodes = np.sum(metrics.num_episodes, axis=1)
    with np.errstate(invalid="ignore"):
        train_return = np.sum(metrics.return_sum, axis=1) / episodes
    return {
        "chunk": chunk,
        "world_steps": int(metrics.world_steps[0, -1]),
        "updates": int(metrics.num_updates[0, -1]),
        "epsilon": float(metrics.epsilon[0, -1]),
        "loss": numbers(np.where(report.finite, np.mean(metrics.loss, axis=1), np.nan)),
        "train_return": numbers(train_return),
        "greedy_return": numbers(report.greedy_return),
    }


def read(run_dir: Path, num_members: int) -> list[Row]:
    """The rows of a run that has ended; raises `RunError` where they are not those of `num_members`."""
    path = run_dir / "metrics.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        sizes = {len(row[name]) for row in rows for name in ("loss", "greedy_return")}
        if sizes != {num_members} or not all(isinstance(row["world_steps"], int) for row in rows):
            raise ValueError("it misses values")
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"without {path.with_name('result.json')} --resume writes it anew"
        raise RunError(f"{path} is damaged: {error}; {remedy}.", DAMAGED) from None
    return rows


def diverged(rows: list[Row]) -> list[int | None]:
    """For each member the world steps of the first row in which its loss was not finite."""
    lost: list[int | None] = [None] * len(rows[0]["loss"])
    for row in reversed(rows):
        lost = [
            row["world_steps"] if x is None else y for x, y in zip(row["loss"], lost, strict=True)
        ]
    return lost


def mean(values: list[float | None]) -> float:
    """Of those that are there; NaN of none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else math.nan


class Log:
    """Writes rows to `metrics.jsonl`, TensorBoard and, unless `quiet`, a progress bar."""

    def __init__(self, path: Path, rows: list[Row], total_steps: int, quiet: bool) -> None:
        """Goes on after `rows`, which `write` will add to.

        They replace what the files say: after a crash those may be ahead, or torn.
        """
        self._rows = rows
        metrics = path / "metrics.jsonl"
        write_text(metrics, "".join(json.dumps(row) + "\n" for row in rows))
        self._file = metrics.open("a")
        steps = rows[-1]["world_steps"] if rows else 0
        self._board = SummaryWriter(str(path / "tensorboard"), purge_step=steps + 1)
        self._train_return = "-"
        self._bar = tqdm.tqdm(
            total=total_steps, initial=steps, unit=" steps", disable=quiet, dynamic_ncols=True
        )

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._bar.close()
        self._board.close()
        self._file.close()

    def write(self, row: Row) -> None:
        """Everywhere at once; the JSON line is flushed."""
        self._rows.append(row)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in _scalars(row):
            self._board.add_scalar(name, value, row["world_steps"])
        train_return = mean(row["train_return"])
        if not math.isnan(train_return):
            self._train_return = f"{train_return:.0f}"
        greedy_return = f"{mean(row['greedy_return']):.0f}"
        # Nobody may read it any more: `2>&1 | head` must not end a training.
        with contextlib.suppress(BrokenPipeError):
            self._bar.set_postfix_str(
                f"return: training {self._train_return}, greedy {greedy_return}", refresh=False
            )
            self._bar.update(row["world_steps"] - self._bar.n)


def _scalars(row: Row) -> Iterator[tuple[str, float]]:
    yield "epsilon", row["epsilon"]
    for name in ("loss", "train_return", "greedy_return"):
        value = mean(row[name])
        if not math.isnan(value):
            yield name, value


def numbers(values: ArrayLike) -> list[float | None]:
    """As JSON has them: `null` for what is not finite."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values)]
