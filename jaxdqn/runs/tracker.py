"""Experiment trackers: the rows of a run in Weights & Biases or trackio, whose interfaces agree."""

import contextlib
import importlib
import io
import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jaxdqn.runs import files, logs
from jaxdqn.runs.directory import write_json
from jaxdqn.runs.logs import Row

Name = Literal["wandb", "trackio"]
PROJECT = "jaxdqn"
MOST_STATE = 10_000
"""Bytes of `track.json` at most."""


class Tracker:
    """One run of a tracker; a failure is one warning, after which nothing is sent.

    `track.json` of the run directory holds the identity of the run and the last step that was sent, so
    that a resumed training continues the same run, and no row is sent twice.
    """

    def __init__(
        self, name: Name, run_dir: Path, config: Mapping[str, Any], seeds: Sequence[int]
    ) -> None:
        self._name, self._run_dir, self._seeds = name, run_dir, seeds
        self._config, self._run, self._failed = dict(config), None, False
        self._state = {
            "run": f"{run_dir.name}-{secrets.token_hex(4)}",
            "env_steps": 0,
            "ended": False,
        }

    def start(self) -> None:
        """Begins or continues the run, and sends the rows of `metrics.jsonl` that were not sent."""
        self._try(self._start)

    def row(self, row: Row) -> None:
        """Sends a row; each seed is a series of its own."""
        self._try(lambda: self._send(row))

    def finish(self, final: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        """Sends the result and the pictures, and ends the run."""
        self._try(lambda: self._finish(final, pictures))

    def _start(self) -> None:
        if (self._run_dir / "track.json").exists():
            path = self._run_dir / "track.json"
            self._state |= files.decode(path, files.read_bytes(path, MOST_STATE), dict[str, Any])
        self._module = importlib.import_module(self._name)
        identity = str(self._state["run"])
        options: dict[str, Any] = {"project": PROJECT, "name": identity, "resume": "allow"}
        if self._name == "wandb":
            options |= {"id": identity, "dir": str(self._run_dir)}
        self._run = self._module.init(**options, config=self._config)
        path = self._run_dir / "metrics.jsonl"
        rows = files.read_text(path, logs.MOST_METRICS) if path.exists() else ""
        for line in rows.splitlines():
            self._send(json.loads(line))

    def _send(self, row: Row) -> None:
        if self._run is None or row["env_steps"] <= self._state["env_steps"]:
            return
        self._run.log(series(row, self._seeds), step=row["env_steps"])
        self._state["env_steps"] = row["env_steps"]
        write_json(self._run_dir / "track.json", self._state)

    def _finish(self, final: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        if self._run is None or self._state["ended"]:
            return
        shown: dict[str, Any] = {
            path.stem: self._module.Video(str(path), format="gif")
            if path.suffix == ".gif"
            else self._module.Image(str(path))
            for path in pictures
        }
        self._run.log(dict(final) | shown, step=int(self._state["env_steps"]) + 1)
        self._run.finish()
        self._state["ended"] = True
        write_json(self._run_dir / "track.json", self._state)

    def _try(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # trackio greets on stdout.
                call()
        except Exception as error:
            self._failed = True
            reason = (str(error).strip().splitlines() or [""])[0]
            warning = f"warning: --track {self._name} stopped: {type(error).__name__}: {reason}"
            print(warning, file=sys.stderr)


def series(row: Row, seeds: Sequence[int]) -> dict[str, float]:
    """The numbers of a row by name; lists become `name/seed`, without those that are None."""
    found: dict[str, float] = {name: x for name, x in row.items() if isinstance(x, int | float)}
    for name, values in row.items():
        if isinstance(values, list):
            own = zip(seeds, values, strict=True)
            found |= {f"{name}/{seed}": x for seed, x in own if x is not None}
    return found
