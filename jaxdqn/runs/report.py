"""Reports: `report.html`, one page without references to other files, for a run or a sweep."""

import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from jaxdqn.recipes import Recipe
from jaxdqn.runs import directory, report_policy, report_text, report_training, saved
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.render import EpisodeRecord

SCRIPTS = "uplot.min.js", "network.js", "cartpole.js", "episode.js", "curve.js", "report.js"
STYLES = "uplot.min.css", "style.css"
MAX_TEXT, MAX_NUMBER = 4_000, 1e15
"""Characters of a text and magnitude of a number in the page; larger numbers are left out."""


def write(
    run_dir: Path,
    recipe: Recipe | None = None,
    seed: int | None = None,
    episode: EpisodeRecord | None = None,
    env: str | None = None,
) -> Path:
    """Writes `report.html` into the run or sweep at `run_dir` from its files, and returns its path.

    Whatever is missing or damaged is left out, and the page says so. `recipe` is by default found
    from `config.json`. The policy is that of `seed`, by default the first; `episode` is one of it,
    by default played here. An environment MODULE:FUNCTION is executed only if `recipe` has it or `env`
    names it. Raises `RunError` if `run_dir` has no `config.json`, and `ConfigError` if
    the run has no such seed.
    """
    path = run_dir / "report.html"
    directory.write_text(path, page(contents(run_dir, recipe, seed, episode, env)))
    return path


def contents(
    run_dir: Path,
    recipe: Recipe | None,
    seed: int | None,
    episode: EpisodeRecord | None,
    env: str | None = None,
) -> dict[str, Any]:
    """The data of the page: numbers, strings, lists and dicts."""
    missing: list[str] = []
    if not (run_dir / "config.json").exists():
        directory.read_config(run_dir)  # Raises the error of a directory that is no run.
    try:
        config = msgspec.to_builtins(directory.read_config(run_dir))
    except RunError as error:
        missing.append(str(error))
        config = {"config": {}, "versions": {}}
    own = config["config"]
    seeds: Sequence[int] = []
    is_sweep = "num_draws" in own
    try:
        loaded, seeds = saved.load_recipe(run_dir, recipe.env_name if recipe else env)
        recipe = recipe or loaded
    except (RunError, ValueError) as error:
        missing.append(str(error))
    solved_at = None if recipe is None else recipe.solved_at
    data: dict[str, Any] = {
        "title": f"{own.get('agent', 'agent')} on {own.get('env', 'an unknown environment')}",
        "facts": report_text.facts(config, run_dir, missing),
        "commands": report_text.commands(own, config["versions"].get("jaxdqn", ""), run_dir),
    }
    if is_sweep:
        data |= report_training.sweep(run_dir, own, solved_at, missing)
    else:
        data |= report_training.run(run_dir, own.get("seed"), solved_at, missing)
        if recipe is not None and seeds:
            data |= report_policy.policy(run_dir, recipe, seeds, seed, episode, missing)
    return data | {"missing": missing}


def page(data: dict[str, Any]) -> str:
    """The page that shows `data`; its text cannot end the script or execute anything."""

    def file(name: str) -> str:
        return (resources.files("jaxdqn.runs") / "page" / name).read_text("utf-8")

    parts = {
        "TITLE": html.escape(str(plain(data["title"]))),
        "STYLE": "\n".join(map(file, STYLES)),
        "DATA": embed(data),
        "SCRIPT": "</script>\n<script>".join(map(file, SCRIPTS)),
    }
    before, *rest = file("report.html").split("{{")
    found = [before]
    for text in rest:
        name, after = text.split("}}", 1)
        found += [parts[name], after]
    return "".join(found)


def embed(data: Any) -> str:
    """JSON of `plain(data)` for a script element: it has no `<`, `>` and `&`, and only ASCII."""
    text = json.dumps(plain(data), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain(value: Any) -> Any:
    """`value` with short strings, and None for numbers that are not finite or above `MAX_NUMBER`."""
    if isinstance(value, dict):
        return {str(key)[:MAX_TEXT]: plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [plain(x) for x in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= MAX_NUMBER else None  # Also for NaN.
    if isinstance(value, report_policy.Base64):
        return value
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
