"""CSV files of results, one or more rows per seed, to which only missing seeds are added."""

import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdqn.config import ConfigError
from jaxdqn.runs import cli, directory, signals
from jaxdqn.runs.errors import DAMAGED, RunError

Row = dict[str, str]
LOWEST = float(np.finfo(np.float32).min)
"""Stands for a return that is not finite, and ranks last."""


def create(folder: Path, plan: Mapping[str, Any]) -> None:
    """Creates the folder for results of `plan`, or checks that it was created for the same plan.

    A name that the folder's plan lacks is added to it. Raises `ConfigError` if it holds results of
    another plan, which cannot be compared with these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    if not path.exists():
        directory.write_json(path, plan)
    try:
        saved = dict(json.loads(path.read_text()))
    except ValueError:
        raise RunError(f"{path} is damaged.", DAMAGED) from None
    plan = json.loads(json.dumps(plan))  # Tuples become lists, as in the file.
    for name in sorted(plan.keys() & saved.keys()):
        if saved[name] != plan[name]:
            rule = f"must not hold results of another {name}; choose another --out."
            raise ConfigError("out", folder, rule)
    if plan.keys() - saved.keys():
        directory.write_json(path, {**saved, **plan})


def read(path: Path, fields: Sequence[str]) -> list[Row]:
    """All rows; none if there is no file. Raises `RunError` if its columns are not `fields` or its last row is cut."""
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            text = file.read()
        header, *lines = csv.reader(io.StringIO(text, newline=""))
    except ValueError:  # No line at all, or bytes that are not text.
        text, header, lines = "", [], []
    if text and not text.endswith("\n"):
        rule = "its last row is incomplete; delete that row."
        raise RunError(f"{path} is damaged: {rule}", DAMAGED)
    if header != list(fields) or any(len(line) != len(fields) for line in lines):
        raise RunError(f"{path} is damaged: its columns must be {', '.join(fields)}.", DAMAGED)
    return [dict(zip(fields, line, strict=True)) for line in lines]


def write(path: Path, fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Replaces the file atomically by one with these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    directory.write_text(path, text.getvalue())


def fill(
    path: Path,
    fields: Sequence[str],
    where: Mapping[str, str],
    seeds: Sequence[int],
    train: Callable[[Sequence[int]], Sequence[Mapping[str, Any]]],
    group_size: int | None = None,
) -> list[Row]:
    """Trains the `seeds` that have no row with the values `where`, and returns all rows of the file.

    `train` maps seeds to their rows. It is called for at most `group_size` seeds at once, and
    the file is written after each call. Rows that other processes wrote meanwhile are kept. Raises
    `RunError` if the process was asked to stop.
    """
    rows, started = read(path, fields), time.perf_counter()
    done = {int(row["seed"]) for row in rows if all(row[name] == x for name, x in where.items())}
    missing = [seed for seed in seeds if seed not in done]
    size = group_size or max(len(missing), 1)
    for first in range(0, len(missing), size):
        signals.stop_if_requested("stopped; finished seeds are kept, the same command continues.")
        new = train(missing[first : first + size])
        rows = read(path, fields) + [{name: str(row[name]) for name in fields} for row in new]
        write(path, fields, rows)
    if missing:
        seconds = time.perf_counter() - started
        cli.say(f"{', '.join(where.values())}: {len(missing)} seeds in {seconds:.0f} s.")
    return rows
