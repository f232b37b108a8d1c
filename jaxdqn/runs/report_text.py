"""The text of a report: what was trained, and the commands that continue, load and cite a run."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdqn.runs import files
from jaxdqn.runs.errors import RunError

OPTION = re.compile(r"[a-z][a-z0-9_]*")
REVISION = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28}\b")
MOST_RESULT = 1_000_000_000
"""Bytes of `result.json` at most."""
CITATION = """@software{{jaxdqn,
  author = {{The jaxdqn authors}},
  title = {{jaxdqn: deep Q-learning as pure JAX functions}},
  version = {{{}}}
}}"""


def facts(
    config: Mapping[str, Any], run_dir: Path, missing: list[str]
) -> dict[str, dict[str, str]]:
    """Heading -> name -> value: the config, the versions, and the seconds if the run has ended."""
    options = dict(config["config"])
    numbers = options.pop("config", {})
    found = {
        "Run": options,
        "Hyperparameters": numbers if isinstance(numbers, Mapping) else {"config": numbers},
        "Versions": dict(config["versions"]) | {"git": short_revision(config.get("git"))},
    }
    path = run_dir / "result.json"
    if path.exists():
        try:
            found_result = files.decode(path, files.read_bytes(path, MOST_RESULT), dict[str, Any])
            seconds = found_result["seconds"]
            found["Seconds"] = {str(name): f"{float(x):.1f}" for name, x in seconds.items()}
        except RunError as error:
            missing.append(str(error))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            missing.append(f"{path} is damaged: {type(error).__name__}: {error}.")
    elif "num_draws" not in options:
        missing.append("The run has not ended: there is no result.json.")
    return {
        heading: {str(name).replace("_", " "): shown(x) for name, x in values.items()}
        for heading, values in found.items()
    }


def short_revision(revision: Any) -> Any:
    """A revision of git with 12 of its 40 digits."""
    return REVISION.sub(r"\1", revision) if isinstance(revision, str) else revision


def shown(value: Any) -> str:
    """A value as one reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def commands(config: Mapping[str, Any], version: str, run_dir: Path) -> dict[str, str]:
    """How to resume and to load the run, and how to cite the program."""
    load = (
        "import jaxdqn\n\n"
        f'policy = jaxdqn.load({str(run_dir)!r}, which="best")\n'
        "action = policy.act(obs)"
    )
    watch = shlex.join(["python", "experiments/watch.py", str(run_dir)])
    found = {"Resume": resume(config, run_dir)}
    if "num_draws" not in config:
        found |= {"Load": load, "Watch": watch}
    return found | {"Cite": CITATION.format(version)}


def resume(config: Mapping[str, Any], run_dir: Path) -> str:
    """The command that continues the run, with all of its options."""
    sweep = "num_draws" in config
    words = ["python", *(["experiments/sweep.py"] if sweep else ["-m", "jaxdqn"])]
    for name, value in config.items():
        if name == "config" and isinstance(value, Mapping):
            for field, number in value.items():
                words += option(f"config.{field}", number, field)
        elif name in ("sweep", "draw") and isinstance(value, list):
            words += [word for x in value for word in option(name, x, name)]
        elif name != "obs_scale":  # Belongs to the recipe, and is no option.
            words += option(name, value, name)
    return shlex.join([*words, "--run-dir", str(run_dir), "--resume"])


def option(name: str, value: Any, field: str) -> list[str]:
    """The words of one option; none for a value that is not given, or a name that is no option."""
    if value is None or value is False or not OPTION.fullmatch(field):
        return []
    values = [] if value is True else value if isinstance(value, list) else [value]
    return ["--" + name.replace("_", "-"), *map(str, values)]
