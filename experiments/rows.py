"""How does a study keep its rows, so that it goes on where it stopped? CSVs that are whole at any time, of one plan."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdqn.config import ConfigError
from jaxdqn.runs.errors import DAMAGED, RunError

Row = dict[str, str]


def claim(folder: Path, plan: Mapping[str, Any]) -> None:
    """Makes the folder, or finds it made for the same `plan`: rows of two plans cannot be compared."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    if not path.exists():
        _replace(path, json.dumps(plan, indent=1) + "\n")
    try:
        kept = dict(json.loads(path.read_text()))
    except ValueError:
        raise RunError(f"{path} is damaged.", DAMAGED) from None
    plan = json.loads(json.dumps(plan))  # A tuple becomes a list, as in the file.
    for name in plan:
        if kept.get(name) != plan[name]:
            rule = f"holds rows of another {name}; choose another --out."
            raise ConfigError("out", folder, rule)


def read(path: Path, fields: Sequence[str]) -> list[Row]:
    """All rows; none where there is no file. Raises `RunError` where it is not one of these `fields`."""
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            header, *lines = csv.reader(file)
    except ValueError:  # No line at all, or bytes that are no text.
        header, lines = [], []
    if header != list(fields) or any(len(line) != len(fields) for line in lines):
        raise RunError(f"{path} is damaged: its lines must hold {', '.join(fields)}.", DAMAGED)
    return [dict(zip(fields, line, strict=True)) for line in lines]


def write(path: Path, fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows in the place of those before, at once: the file never holds half of them."""
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    os.replace(part, path)
