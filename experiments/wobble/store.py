"""The CSV files of the study: columns, rows and reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.results import rows
from experiments.results.rows import Row

SEEDS = ("arm", "seed", "env_steps", "final_return", "exploration", "policy")
"""One row per arm and seed. The last two are the variances of `variance.Split`, of the student's agents only."""
MEASUREMENTS = (
    "arm",
    "seed",
    "measurement",
    "env_steps",
    "eval_return",
    "action_gap",
    "value",
    "monte_carlo",
    "churn",
    "terminal_share",
)
"""One row per measurement, of the arms that are measured."""
LONG = ("arm", "seed", "episode", "train_return", "eval_return")
"""One row per block of episodes of the long trainings, with the mean return of the block."""
FILES = {"seeds": SEEDS, "measurements": MEASUREMENTS, "long": LONG}
KEYS = {"seeds": 2, "measurements": 3, "long": 3}
"""Number of leading columns that identify a row."""


def path(folder: Path, name: str) -> Path:
    """The file of a name in `FILES`."""
    return folder / f"{name}.csv"


def row(name: str, values: Sequence[Any]) -> Row:
    """A row of the file `name`; floats are rounded to six significant digits."""
    return dict(zip(FILES[name], map(_format, values), strict=True))


def read(folder: Path, name: str) -> list[Row]:
    """All rows without duplicates, which an arm has that was interrupted between two files."""
    found = rows.read(path(folder, name), FILES[name])
    return list({tuple(row.values())[: KEYS[name]]: row for row in found}.values())


def append(folder: Path, name: str, new: Sequence[Row]) -> None:
    """Adds rows; the file is replaced atomically."""
    rows.write(path(folder, name), FILES[name], [*read(folder, name), *new])


def _format(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
