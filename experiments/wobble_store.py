"""Where is kept what the study has found? Three CSVs, to which each arm is added when it is done."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdqn.config import ConfigError

Row = dict[str, str]
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


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Makes the folder, or finds it made for the same `plan`: arms of two plans cannot be compared."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    if not path.exists():
        path.write_text(json.dumps(plan, indent=1) + "\n")
    kept = json.loads(path.read_text())
    for name in plan:
        if kept.get(name) != plan[name]:
            rule = f"must be {kept.get(name)} as in {path}, or another --out be chosen."
            raise ConfigError(name, plan[name], rule)


def read(folder: Path, name: str) -> list[Row]:
    """All rows, each once: an arm that was cut short while it was written is written again."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    num_keys = 3 if name != "seeds" else 2
    return list({tuple(row.values())[:num_keys]: row for row in rows}.values())


def append(folder: Path, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Adds rows; the header where there is none. A line that was cut short is ended first."""
    path = folder / f"{name}.csv"
    with path.open("a+", newline="") as file:
        file.seek(0)
        text = file.read()
        writer = csv.writer(file, lineterminator="\n")
        if not text:
            writer.writerow(FILES[name])
        elif not text.endswith("\n"):
            file.write("\n")
        writer.writerows([[_shown(x) for x in row] for row in rows])


def missing(folder: Path, name: str, arm: str, seeds: Sequence[int]) -> list[int]:
    """The seeds of an arm that are not there yet."""
    there = {int(row["seed"]) for row in read(folder, name) if row["arm"] == arm}
    return [seed for seed in seeds if seed not in there]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
