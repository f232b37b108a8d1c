"""Replays in the form of Kaggle, which the official viewer of Lux opens."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.lux import engine
from jaxdqn.runs.directory import write_text

VERSION = "3.1.0"
"""Of the engine in `engine.WHEEL`."""
MARK = "/*window.kaggle*/"
"""Where the page of the viewer takes a replay."""


def environment(
    seed: int, size: int, names: Sequence[str], commands: Sequence[Sequence[list[str]]]
) -> dict[str, Any]:
    """The game as Kaggle records it; the viewer plays `commands`, of both teams in each turn, again."""

    def step(actions: Sequence[list[str] | None]) -> list[dict[str, Any]]:
        players = enumerate(actions)
        return [{"action": action, "observation": {"player": player}} for player, action in players]

    return {
        "name": "lux_ai_2021",
        "version": VERSION,
        "configuration": {"seed": seed, "width": size, "height": size, "mapType": "random"},
        "info": {"TeamNames": list(names)},
        # The first step of Kaggle has no actions.
        "steps": [step([None, None]), *map(step, commands)],
    }


def write(path: Path, environment: dict[str, Any]) -> None:
    """Writes the replay: a page with the viewer if `path` ends in `.html`, else JSON that the viewer loads."""
    text = json.dumps(environment)
    if path.suffix == ".html":
        page = (engine.folder() / "index.html").read_text()
        kaggle = json.dumps({"environment": environment}).replace("</", "<\\/")
        text = page.replace(MARK, f"window.kaggle = {kaggle};")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
