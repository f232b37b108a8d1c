"""Files that may come from a stranger: only regular ones are opened, sizes are bounded, JSON is read by a schema."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from jaxdqn.runs.errors import DAMAGED, RunError

T = TypeVar("T")
SHOWN = 80
"""Characters of an invalid value in a message."""


@contextmanager
def regular(path: Path, most: int) -> Iterator[BinaryIO]:
    """Opens the regular file `path` of at most `most` bytes for reading.

    Never waits, as opening a pipe would. Raises `FileNotFoundError` or `NotADirectoryError` if
    there is no file, `RunError` if it is another kind of file, larger, or unreadable.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb", closefd=True) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RunError(f"{path} must be a regular file.", DAMAGED)
            if status.st_size > most:
                rule = f"must have at most {most:,} bytes, not {status.st_size:,}"
                raise RunError(f"{path} {rule}.", DAMAGED)
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise
    except IsADirectoryError:
        raise RunError(f"{path} must be a regular file.", DAMAGED) from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}.", DAMAGED) from None


def read_bytes(path: Path, most: int) -> bytes:
    """Contents of a file; raises as `regular` does."""
    with regular(path, most) as file:
        # A file of /proc has the size 0, whatever it holds.
        return file.read(most) or b""


def read_text(path: Path, most: int) -> str:
    """Contents of a file as text; raises as `regular` does, and `RunError` unless it is UTF-8."""
    try:
        return read_bytes(path, most).decode()
    except UnicodeDecodeError as error:
        raise RunError(f"{path} must be text in UTF-8: {error.reason}.", DAMAGED) from None


def decode(path: Path, data: bytes | str, kind: type[T]) -> T:
    """A value of the type `kind` from the JSON `data` of the file `path`; raises `RunError` as `convert` does."""
    try:
        found = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise RunError(f"{path} cannot be read: {reason}.", DAMAGED) from None
    return convert(path, found, kind)


def convert(path: Path, found: Any, kind: type[T]) -> T:
    """`found`, plain values of the file `path`, as a value of the type `kind`.

    Raises `RunError` that names file, field, value and rule.
    """
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$")
        place = place.strip("`.")
        raise invalid(path, place, _value(found, place), f"is invalid: {rule}.") from None
    except RecursionError:
        raise RunError(f"{path} is nested too deeply.", DAMAGED) from None


def invalid(path: Path, field: str, value: Any, rule: str) -> RunError:
    """The error of a value that breaks a rule."""
    return RunError(f"{path}: {field or 'its content'} ({shown(value)}) {rule}", DAMAGED)


def shown(value: Any) -> str:
    """The beginning of a value, without characters that would break a line or control a terminal."""
    text = str(value)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return "".join(x if x.isprintable() else repr(x)[1:-1] for x in text)


def _value(found: Any, place: str) -> Any:
    """The value at `place`, such as `config.features[0]`, as far as it exists."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", place):
        try:
            found = found[int(index)] if index else found[name]
        except (KeyError, IndexError, TypeError):
            break
    return found
