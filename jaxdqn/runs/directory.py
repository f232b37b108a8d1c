"""Where does a run live, and is it the run that was asked for?"""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jaxdqn.runs.errors import DAMAGED, RunError

PACKAGES = ("jaxdqn", "jax", "jaxlib", "flax", "optax", "gymnax", "orbax-checkpoint", "numpy")


def claim(path: Path | None, parent: Path, choices: Mapping[str, Any], resume: bool) -> Path:
    """The directory of a new run of these `choices`, or with `resume` of the one that is there.

    Without a `path` a new one is made under `parent`, named by the time. Nothing
    that another run saved is touched; each mistake is a `RunError`.
    """
    if resume:
        if path is None:
            raise RunError("--resume (True) needs --run-dir, the directory to go on in.")
        _compare(path, read_config(path)["choices"], _plain(choices))
        return path
    path = _create(path or _new_name(parent))
    config = {"choices": choices, "versions": _versions(), "git": _git_revision()}
    write_json(path / "config.json", config)
    return path


def read_config(path: Path) -> dict[str, Any]:
    """What `config.json` of the run at `path` holds."""
    try:
        return json.loads((path / "config.json").read_text())
    except FileNotFoundError:
        raise RunError(f"--run-dir ({path}) must hold a run; it has no config.json.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path / 'config.json'} cannot be read: {error}.", DAMAGED) from None


def write_json(path: Path, value: Any) -> None:
    """Writes `value`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes `text`, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def _new_name(parent: Path) -> Path:
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    taken = (parent / f"{name}{suffix}" for suffix in ("", *(f"_{i}" for i in range(2, 1000))))
    return next(path for path in taken if not path.exists())


def _create(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise RunError(f"--run-dir ({path}) must be writable; {reason}.") from None
    if occupied:
        rule = "must be new or empty; it holds other files. Add --resume to go on with a run."
        raise RunError(f"--run-dir ({path}) {rule}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise RunError(f"--run-dir ({path}) must be writable; permission denied.")
    return path


def _compare(path: Path, saved: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    saved, asked = _flatten(saved), _flatten(asked)
    differences = [
        f"--{name.replace('_', '-')} ({asked.get(name)}) must be {saved.get(name)}"
        for name in sorted(saved.keys() | asked.keys())
        if saved.get(name) != asked.get(name)
    ]
    if differences:
        raise RunError(f"{', '.join(differences)}, as in the run at {path}.")


def _flatten(choices: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in choices.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _plain(choices: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: tuples as lists, keys as strings."""
    return json.loads(json.dumps(choices))


def _versions() -> dict[str, str]:
    import jax

    versions = {"python": platform.python_version(), "device": jax.devices()[0].device_kind}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _git_revision() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
