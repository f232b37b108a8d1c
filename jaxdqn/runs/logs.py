"""Logs of a run: `metrics.jsonl`, `episodes.csv`, TensorBoard events and the progress bar."""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TextIO

import msgspec
import numpy as np
import tqdm.auto
from numpy.typing import ArrayLike
from tensorboardX import SummaryWriter

from jaxdqn.runs import files, numerals, schema
from jaxdqn.runs.directory import write_text
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.training.session import Report

Row = dict[str, Any]

BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"
"""Progress with the time that is left; 80 columns hold it and the returns."""

MAX_EPISODES = 1_000_000
"""Lines that `episodes.csv` holds at most, of all seeds together: about 25 MB."""
EPISODE_BYTES = 60
"""Bytes of such a line at most."""
MOST_METRICS = 1_000_000_000
"""Bytes of `metrics.jsonl` at most."""


def row(chunk: int, report: Report) -> Row:
    """The row of a chunk in plain Python, from a `report` with leaves `[S, ...]`.

    Lists hold one value per seed: None for a mean of no episodes, and for a number that is not
    finite. A `loss` is also None if a parameter is not finite.
    """
    metrics, lengths = report.metrics, report.metrics.episodes.lengths
    num_episodes = np.sum(lengths > 0, axis=(1, 2, 3))
    with np.errstate(invalid="ignore"):
        finished = np.where(lengths > 0, metrics.episodes.returns, 0.0)
        train_return = np.sum(finished, axis=(1, 2, 3)) / num_episodes
        train_length = np.sum(lengths, axis=(1, 2, 3)) / num_episodes
    return {
        "chunk": chunk,
        "env_steps": int(metrics.env_steps[0, -1]),
        "updates": int(metrics.num_updates[0, -1]),
        "episodes": num_episodes.tolist(),
        "epsilon": float(metrics.epsilon[0, -1]),
        "loss": numbers(np.where(report.finite, np.mean(metrics.loss, axis=1), np.nan)),
        "td_error": numbers(np.mean(metrics.td_error, axis=1)),
        "grad_norm": numbers(np.mean(metrics.grad_norm, axis=1)),
        "q_value": numbers(report.value),
        "train_return": numbers(train_return),
        "train_length": numbers(train_length),
        "eval_return": numbers(report.eval_return),
        "eval_error": numbers(report.eval_error),
        "eval_length": numbers(report.eval_length),
        **{name: numbers(np.mean(x, axis=1)) for name, x in metrics.extra.items()},
    }


def finished_episodes(report: Report, seeds: Sequence[int]) -> list[str]:
    """The lines of `episodes.csv` of a chunk, in the order of the steps."""
    env_steps = report.metrics.env_steps[0]
    returns, lengths = map(np.asarray, report.metrics.episodes)
    num_steps, num_envs = lengths.shape[2:]
    lines = []
    for iteration, t, member, env in np.argwhere(np.moveaxis(lengths, 0, 2) > 0):
        place = member, iteration, t, env
        step = env_steps[iteration] - (num_steps - 1 - t) * num_envs
        lines.append(f"{seeds[member]},{step},{returns[place]:.7g},{lengths[place]}\n")
    return lines


def read(run_dir: Path, num_agents: int) -> list[Row]:
    """The rows of a finished run; raises `RunError` if they are not those of `num_agents` agents."""
    path = run_dir / "metrics.jsonl"
    try:
        lines = files.read_text(path, MOST_METRICS).splitlines()
        found = [msgspec.json.decode(line) for line in lines]
        if not found:
            raise ValueError("it is empty")
        return checked(found, num_agents, schema.Row)
    except (OSError, ValueError, RecursionError) as error:
        remedy = f"delete {path.with_name('result.json')} and use --resume to write it again"
        raise RunError(f"{path} is damaged: {error}; {remedy}.", DAMAGED) from None


def checked(found: Any, num_agents: int, kind: type = schema.SavedRow) -> list[Row]:
    """`found`, plain values of a file, as rows of `num_agents` agents; raises `ValueError` if they are not."""
    msgspec.convert(found, list[kind])
    rows = msgspec.convert(found, list[schema.AnyRow])
    for name, values in (item for row in rows for item in row.items()):
        if isinstance(values, list) and len(values) != num_agents:
            raise ValueError(f"{name} must have one value for each of {num_agents} agents")
    return found


def diverged(rows: list[Row]) -> list[int | None]:
    """For each agent the environment steps of its first row with a non-finite loss, or None."""
    first: list[int | None] = [None] * len(rows[0]["loss"])
    for row in reversed(rows):
        first = [
            row["env_steps"] if x is None else y for x, y in zip(row["loss"], first, strict=True)
        ]
    return first


def mean(values: Sequence[float | None]) -> float:
    """Mean of the values that are not None; NaN if there is none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else math.nan


class Rows:
    """The rows of a run, in memory."""

    def __init__(self, rows: list[Row]) -> None:
        """Continues after `rows`, to which `write` appends."""
        self._rows = rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, chunk: int, report: Report) -> Row:
        """Appends the row of a chunk and returns it."""
        self._rows.append(row(chunk, report))
        return self._rows[-1]


class Log(Rows):
    """Writes rows to `metrics.jsonl`, `episodes.csv`, TensorBoard and, unless `quiet`, a progress bar."""

    def __init__(
        self, rows: list[Row], path: Path, seeds: Sequence[int], total_steps: int, quiet: bool
    ) -> None:
        """Continues after `rows`, to which `write` appends.

        Rewrites the files from `rows`: after a crash they may be ahead, or end in half a line.
        """
        super().__init__(rows)
        self._seeds = seeds
        metrics = path / "metrics.jsonl"
        write_text(metrics, "".join(json.dumps(row) + "\n" for row in rows))
        self._file = metrics.open("a")
        self._num_episodes = sum(sum(row["episodes"]) for row in rows)
        self._episodes = _continue_episodes(path / "episodes.csv", self._num_episodes)
        steps = rows[-1]["env_steps"] if rows else 0
        self._board = SummaryWriter(str(path / "tensorboard"), purge_step=steps + 1)
        self._time, self._train_return = time.perf_counter(), "-"
        options = {"unit_scale": True, "dynamic_ncols": True, "bar_format": BAR}
        self._bar = tqdm.auto.tqdm(total=total_steps, initial=steps, disable=quiet, **options)

    def __exit__(self, *exception: object) -> None:
        self._bar.close()
        for file in (self._board, self._file, self._episodes):
            file.close()

    def write(self, chunk: int, report: Report) -> Row:
        """Appends the row of a chunk and its episodes to all logs, flushes the files, and returns the row."""
        before = self._rows[-1]["env_steps"] if self._rows else 0
        new = super().write(chunk, report)
        self._write_episodes(report)
        self._file.write(json.dumps(new) + "\n")
        self._file.flush()
        now = time.perf_counter()
        rate = (new["env_steps"] - before) * len(self._seeds) / (now - self._time)
        self._time = now
        for name, value in {**_scalars(new), "steps_per_second": rate}.items():
            self._board.add_scalar(name, value, new["env_steps"])
        train_return = mean(new["train_return"])
        if not math.isnan(train_return):
            self._train_return = numerals.short(train_return)
        self._bar.set_postfix_str(
            f"return {self._train_return}, evaluation {numerals.with_error(*evaluation(new))}",
            refresh=False,
        )
        self._bar.update(new["env_steps"] - self._bar.n)
        return new

    def _write_episodes(self, report: Report) -> None:
        room = MAX_EPISODES - self._num_episodes
        lines = finished_episodes(report, self._seeds)
        self._num_episodes += len(lines)
        self._episodes.writelines(lines[: max(room, 0)])
        self._episodes.flush()
        if 0 <= room < len(lines):
            print(
                f"warning: episodes.csv holds the first {MAX_EPISODES:,} episodes only.",
                file=sys.stderr,
            )


def evaluation(row: Row) -> tuple[float, float]:
    """The mean evaluation return and its standard error: over the episodes of one seed, or over several seeds."""
    returns = [x for x in row["eval_return"] if x is not None]
    if len(row["eval_return"]) == 1:
        return mean(returns), mean(row.get("eval_error", []))
    error = np.std(returns, ddof=1) / np.sqrt(len(returns)) if len(returns) > 1 else math.nan
    return mean(returns), float(error)


def write_hyperparameters(path: Path, values: Mapping[str, Any], final_return: float) -> None:
    """Writes the hyperparameters and the result of the run at `path` for TensorBoard's tab "HParams"."""
    plain = {k: x if isinstance(x, int | float | str) else str(x) for k, x in values.items()}
    with SummaryWriter(str(path / "tensorboard")) as board:
        board.add_hparams(plain, {"final_return": final_return}, name="hparams")


def _continue_episodes(path: Path, count: int) -> TextIO:
    """The file for new lines, after its header and the first `count` episodes that it holds."""
    try:
        lines = files.read_text(path, EPISODE_BYTES * MAX_EPISODES).splitlines(keepends=True)
    except FileNotFoundError:
        lines = []
    lines = lines[1 : 1 + count]
    write_text(path, "seed,env_steps,return,length\n" + "".join(lines))
    return path.open("a")


def _scalars(row: Row) -> dict[str, float]:
    """The means over the seeds of all values that are not None, by name."""
    means = {name: mean(x) for name, x in row.items() if isinstance(x, list) and name != "episodes"}
    return {"epsilon": row["epsilon"]} | {k: x for k, x in means.items() if not math.isnan(x)}


def numbers(values: ArrayLike) -> list[float | None]:
    """Values for JSON: None where not finite."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values)]
