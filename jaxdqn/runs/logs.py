"""Logs of a run: `metrics.jsonl`, TensorBoard events and the progress bar."""

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
from jaxdqn.training.session import Report

Row = dict[str, Any]


def row(chunk: int, report: Report) -> Row:
    """The row of a chunk in plain Python, from a `report` with leaves `[S, ...]`.

    A `train_return` is None if no episode ended in the chunk, a `loss` if it or a parameter
    is not finite.
    """
    metrics = report.metrics
    episodes = np.sum(metrics.num_episodes, axis=1)
    with np.errstate(invalid="ignore"):
        train_return = np.sum(metrics.return_sum, axis=1) / episodes
    return {
        "chunk": chunk,
        "env_steps": int(metrics.env_steps[0, -1]),
        "updates": int(metrics.num_updates[0, -1]),
        "epsilon": float(metrics.epsilon[0, -1]),
        "loss": numbers(np.where(report.finite, np.mean(metrics.loss, axis=1), np.nan)),
        "train_return": numbers(train_return),
        "eval_return": numbers(report.eval_return),
    }


def read(run_dir: Path, num_agents: int) -> list[Row]:
    """The rows of a finished run; raises `RunError` if they are not those of `num_agents` agents."""
    path = run_dir / "metrics.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        sizes = {len(row[name]) for row in rows for name in ("loss", "eval_return")}
        if sizes != {num_agents} or not all(isinstance(row["env_steps"], int) for row in rows):
            raise ValueError("values are missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"delete {path.with_name('result.json')} and use --resume to write it again"
        raise RunError(f"{path} is damaged: {error}; {remedy}.", DAMAGED) from None
    return rows


def diverged(rows: list[Row]) -> list[int | None]:
    """For each agent the environment steps of its first row with a non-finite loss, or None."""
    first: list[int | None] = [None] * len(rows[0]["loss"])
    for row in reversed(rows):
        first = [
            row["env_steps"] if x is None else y for x, y in zip(row["loss"], first, strict=True)
        ]
    return first


def mean(values: list[float | None]) -> float:
    """Mean of the values that are not None; NaN if there is none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else math.nan


class Log:
    """Writes rows to `metrics.jsonl`, TensorBoard and, unless `quiet`, a progress bar."""

    def __init__(self, path: Path, rows: list[Row], total_steps: int, quiet: bool) -> None:
        """Continues after `rows`, to which `write` appends.

        Rewrites the files from `rows`: after a crash they may be ahead, or end in half a line.
        """
        self._rows = rows
        metrics = path / "metrics.jsonl"
        write_text(metrics, "".join(json.dumps(row) + "\n" for row in rows))
        self._file = metrics.open("a")
        steps = rows[-1]["env_steps"] if rows else 0
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
        """Appends a row to all logs, and flushes the JSON line."""
        self._rows.append(row)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in _scalars(row):
            self._board.add_scalar(name, value, row["env_steps"])
        train_return = mean(row["train_return"])
        if not math.isnan(train_return):
            self._train_return = f"{train_return:.0f}"
        eval_return = f"{mean(row['eval_return']):.0f}"
        # A closed stderr (`2>&1 | head`) does not end the training.
        with contextlib.suppress(BrokenPipeError):
            self._bar.set_postfix_str(
                f"return: training {self._train_return}, evaluation {eval_return}", refresh=False
            )
            self._bar.update(row["env_steps"] - self._bar.n)


def _scalars(row: Row) -> Iterator[tuple[str, float]]:
    yield "epsilon", row["epsilon"]
    for name in ("loss", "train_return", "eval_return"):
        value = mean(row[name])
        if not math.isnan(value):
            yield name, value


def numbers(values: ArrayLike) -> list[float | None]:
    """Values for JSON: None where not finite."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values)]
