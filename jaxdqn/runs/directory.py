"""Run directories: creation, `config.json`, locks and atomic writes."""

import contextlib
import datetime
import itertools
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jaxdqn.runs import files, versions
from jaxdqn.runs.errors import DAMAGED, RunError, Unwritable
from jaxdqn.runs.schema import RunFile
from jaxdqn.runs.signals import stop_if_requested

T = TypeVar("T")

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MOST_CONFIG = 1_000_000
"""Bytes of `config.json` at most."""


def create(path: Path | None, parent: Path, config: Mapping[str, Any], resume: bool) -> Path:
    """Creates the directory of a run with `config` and returns its path; `resume` opens an existing one.

    Without `path` the directory is a new one under `parent`, named by the time. Raises
    `RunError` as `check` does.
    """
    check(path, config, resume)
    if path is not None and resume:
        _warn_of_other_versions(read_config(path).versions, versions.found())
        return path
    config = {"config": config, "versions": versions.found(), "git": versions.git_revision()}
    stop_if_requested()
    path = _create_new(parent) if path is None else _create_at(path)
    write_json(path / "config.json", config)
    return path


def check(path: Path | None, config: Mapping[str, Any], resume: bool) -> None:
    """Raises `RunError` if `path` holds other files, or with `resume` a run with another `config`; writes nothing."""
    if not resume:
        if path == Path():
            raise RunError("--run-dir () must be a directory other than the current one.")
        if path is not None:
            _require_empty(path)
        return
    if path is None:
        raise RunError("--resume (True) must be given with --run-dir, the run to continue.")
    _require_same(path, read_config(path).config, _plain(config))
    require_no_links(path)


def read_config(path: Path, kind: type[T] = RunFile) -> T:
    """`config.json` of the run at `path`, read by the schema `kind`; raises `RunError` if it is missing or invalid."""
    file = path / "config.json"
    try:
        return files.decode(file, files.read_bytes(file, MOST_CONFIG), kind)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"--run-dir ({path}) must be the directory of a run; it has no config.json."
        ) from None


def require_no_links(path: Path) -> None:
    """Raises `RunError` if the run at `path` has a link to a directory, through which it would write elsewhere."""
    for folder, names, _ in os.walk(path):
        for name in names:
            if (link := Path(folder, name)).is_symlink():
                raise RunError(f"{link} must be a directory, not a link.", DAMAGED)


def delete(path: Path) -> None:
    """Deletes whatever is at `path`, if anything; what a link refers to is kept."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes `text`, atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data`, atomically: after a crash the file is the old one or the new one.

    Writes a new file and renames it, so that a link at `path` is replaced, and not followed.
    """
    partial = path.with_name(path.name + ".partial")
    delete(partial)
    with partial.open("xb") as file:
        file.write(data)
    os.replace(partial, path)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turns an `OSError` in the block, such as a full disk, into `Unwritable`, for the run at `path`."""

    def hook(args: threading.ExceptHookArgs, before: Any = threading.excepthook) -> None:
        # The thread of TensorBoard fails on a full disk too; one error line is enough.
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
    """Holds an exclusive lock of the directory, which ends with the process; `RunError` if another has it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        _lock(path, handle)
        yield
    finally:
        os.close(handle)


def _lock(path: Path, handle: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"--run-dir ({path}) must not be in use by another process.") from None
    except OSError:
        return  # Some network drives do not support locks.


def _create_new(parent: Path) -> Path:
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}_{number}")
        with _require_writable(path), contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError("unreachable")


def _create_at(path: Path) -> Path:
    with _require_writable(path):
        path.mkdir(parents=True, exist_ok=True)
        _require_empty(path)
        # From now on the directory is not empty, also for a process started at the same time.
        (path / "config.json").open("x").close()
    return path


def _require_empty(path: Path) -> None:
    with _require_writable(path), contextlib.suppress(FileNotFoundError):
        if any(path.iterdir()):
            rule = "must be new or empty; it holds other files. Use --resume to continue a run."
            raise RunError(f"--run-dir ({path}) {rule}")


@contextlib.contextmanager
def _require_writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise RunError(f"--run-dir ({path}) must be writable; {reason}.") from None


def _require_same(path: Path, saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    saved, given = flatten(saved), flatten(given)
    differences = [
        f"--{name.replace('_', '-')} ({given[name]}) must be {files.shown(saved.get(name))}"
        for name in sorted(given)
        if saved.get(name) != given[name]
    ]
    if differences:
        raise RunError(f"{', '.join(differences)}, as in the run at {path}.")
    if unknown := sorted(saved.keys() - given.keys()):
        rule = (
            f"must be a run of this program and version, which have no {files.shown(unknown[0])}."
        )
        raise RunError(f"--run-dir ({path}) {rule}")


def _warn_of_other_versions(saved: Mapping[str, str], current: Mapping[str, str]) -> None:
    others = [
        f"{name} {files.shown(saved.get(name))}"
        for name in sorted(current)
        if saved.get(name) != current[name]
    ]
    if others:
        print(
            f"warning: the run began with {', '.join(others)}; results will not be bit-identical.",
            file=sys.stderr,
        )


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, whose names are joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` as JSON stores it: tuples become lists, keys strings."""
    return json.loads(json.dumps(config))
