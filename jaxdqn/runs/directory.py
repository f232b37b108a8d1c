"""Where does a run live, and is it the run that was asked for?"""

import contextlib
import datetime
import itertools
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jaxdqn.runs.errors import DAMAGED, RunError, Unwritable
from jaxdqn.runs.signals import stop_if_requested

PACKAGES = ("jaxdqn", "jax", "jaxlib", "flax", "optax", "gymnax", "orbax-checkpoint", "numpy")


def claim(path: Path | None, parent: Path, choices: Mapping[str, Any], resume: bool) -> Path:
    """The directory of a new run of these `choices`, or with `resume` of the one that is there.

    Without a `path` a new one is made under `parent`, named by the time. Nothing
    that another run saved is touched; each mistake is a `RunError`.
    """
    if resume:
        if path is None:
            raise RunError("--resume (True) needs --run-dir, the directory to go on in.")
        saved = read_config(path)
        _compare(path, saved["choices"], _plain(choices))
        _warn_of_other_versions(saved["versions"], _versions())
        return path
    if path == Path():
        raise RunError("--run-dir () must name a directory of its own.")
    config = {"choices": choices, "versions": _versions(), "git": _git_revision()}
    stop_if_requested()
    path = _create_new(parent) if path is None else _occupy(path)
    write_json(path / "config.json", config)
    return path


def read_config(path: Path) -> dict[str, Any]:
    """What `config.json` of the run at `path` holds."""
    try:
        config = json.loads((path / "config.json").read_text())
    except ValueError as error:
        raise RunError(f"{path / 'config.json'} cannot be read: {error}.", DAMAGED) from None
    except OSError:
        raise RunError(f"--run-dir ({path}) must hold a run; it has no config.json.") from None
    parts = (
        [config.get(part) for part in ("choices", "versions")] if isinstance(config, dict) else [0]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise RunError(f"{path / 'config.json'} is not that of a run.", DAMAGED)
    return config


def write_json(path: Path, value: Any) -> None:
    """Writes `value`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes `text`, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data`, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raises `Unwritable` where the disk is full, or `path` may no longer be written."""

    def hook(args: threading.ExceptHookArgs, before: Any = threading.excepthook) -> None:
        # TensorBoard's thread meets the full disk too; one of us is enough to tell.
        if not issubclass(args.exc_type, OSError):
            before(args)

    before, threading.excepthook = threading.excepthook, hook
    try:
        yield
    except OSError as error:
        file = f" ({error.filename})" if error.filename else ""
        raise Unwritable(f"{error.strerror or error}{file}", path) from None
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes out of the directory; a dead owner keeps nobody out."""
    handle = os.open(path, os.O_RDONLY)
    try:
        _lock(path, handle)
        yield
    finally:
        os.close(handle)


def _lock(path: Path, handle: int) -> None:
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"--run-dir ({path}) must not be in use by another process.") from None
    except (ImportError, OSError):
        return  # Windows has no such locks, nor do some network drives.


def _create_new(parent: Path) -> Path:
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}_{number}")
        with _refusals(path), contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError("counting never ends")


def _occupy(path: Path) -> Path:
    with _refusals(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            rule = "must be new or empty; it holds other files. Add --resume to go on with a run."
            raise RunError(f"--run-dir ({path}) {rule}")
        # Whoever else wants it now finds it taken.
        (path / "config.json").open("x").close()
    return path


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise RunError(f"--run-dir ({path}) must be writable; {reason}.") from None


def _compare(path: Path, saved: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    saved, asked = _flatten(saved), _flatten(asked)
    if saved.keys() - asked.keys():
        raise RunError(f"--run-dir ({path}) must hold a run of this program; it is another's.")
    differences = [
        f"--{name.replace('_', '-')} ({asked.get(name)}) must be {saved.get(name)}"
        for name in sorted(saved.keys() | asked.keys())
        if saved.get(name) != asked.get(name)
    ]
    if differences:
        raise RunError(f"{', '.join(differences)}, as in the run at {path}.")


def _warn_of_other_versions(saved: Mapping[str, str], here: Mapping[str, str]) -> None:
    others = [f"{name} {saved.get(name)}" for name in sorted(here) if saved.get(name) != here[name]]
    if others:
        print(
            f"warning: the run began with {', '.join(others)}; it will not be equal to the bit.",
            file=sys.stderr,
        )


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
