"""Where is kept what the study of the wobble has found? Three CSVs, to which each arm is added when it is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import rows
from experiments.rows import Row

SEEDS = ("arm", "seed", "world_steps", "final_return", "dice", "policy")
"""A row a seed of an arm. Variances, of the student's agents alone: `variance.Split`."""
LOOKS = (
    "arm",
    "seed",
    "look",
    "world_steps",
    "greedy_return",
    "action_gap",
    "value",
    "monte_carlo",
    "churn",
    "terminal_share",
)
"""A row a look at a seed, of the arms that are looked into."""
LONG = ("arm", "seed", "episode", "train_return", "greedy_return")
"""A row for every so many episodes of the long trainings, the return their mean."""
FILES = {"seeds": SEEDS, "looks": LOOKS, "long": LONG}


KEYS = {"seeds": 2, "looks": 3, "long": 3}
"""So many columns tell a row from others."""


def read(folder: Path, name: str) -> list[Row]:
    """All rows, each once: an arm that was stopped between two files is written again."""
    found = rows.read(folder / f"{name}.csv", FILES[name])
    return list({tuple(row.values())[: KEYS[name]]: row for row in found}.values())


def append(folder: Path, name: str, new: Sequence[Sequence[Any]]) -> None:
    """Adds rows, all of them or, if the process ends, none."""
    fields = FILES[name]
    shown = [dict(zip(fields, map(_shown, row), strict=True)) for row in new]
    rows.write(folder / f"{name}.csv", fields, [*read(folder, name), *shown])


def missing(folder: Path, name: str, arm: str, seeds: Sequence[int]) -> list[int]:
    """The seeds of an arm that are not there yet."""
    there = {int(row["seed"]) for row in read(folder, name) if row["arm"] == arm}
    return [seed for seed in seeds if seed not in there]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
