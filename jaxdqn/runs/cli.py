"""Command line: options from a dataclass, errors in one line, exit codes."""

import ast
import contextlib
import dataclasses
import difflib
import inspect
import io
import itertools
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import tyro

from jaxdqn.config import Config, ConfigError
from jaxdqn.runs import processes, streams
from jaxdqn.runs.errors import BAD_INPUT, DAMAGED, DIVERGED, Interrupted, RunError, Unwritable
from jaxdqn.runs.signals import stop_request

Args = TypeVar("Args")


def main(args_type: type[Any], run: Callable[[Any], None]) -> None:
    """Parses the command line into `args_type` and calls `run`; an error becomes one line on stderr.

    A stream that is closed or full does not end the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with streams.lasting():
        _main(args_type, run)


def _main(args_type: type[Any], run: Callable[[Any], None]) -> None:
    try:
        with stop_request():
            run(parse(args_type, sys.argv[1:]))
    except ConfigError as error:
        own = {field.name for field in dataclasses.fields(args_type)}
        nested = {field.name for field in dataclasses.fields(Config)} - own
        option = f"config.{error.option}" if error.option in nested else error.option
        _exit(f"--{option.replace('_', '-')} ({error.value}) {error.rule}", BAD_INPUT, of_all=True)
    except RunError as error:
        resume = f" Continue with: {resume_command(error.run_dir)}" if error.run_dir else ""
        of_all = isinstance(error, Interrupted) or error.exit_code == DIVERGED
        immediately = isinstance(error, Unwritable)
        _exit(f"{error}{resume}", error.exit_code, immediately=immediately, of_all=of_all)
    except Exception as error:
        # JAX and Orbax report exhausted memory and full disks in many ways; all else is a bug.
        full = ("RESOURCE_EXHAUSTED", "Out of memory")
        if not isinstance(error, OSError | MemoryError) and not any(x in str(error) for x in full):
            _leave_group(error)
            raise
        message = (str(error).strip().splitlines() or ["no message"])[0]
        _exit(f"{type(error).__name__}: {message}", DAMAGED)


def say(line: str) -> None:
    """Prints a line."""
    print(line, flush=True)


def parse(args_type: type[Args], words: Sequence[str]) -> Args:
    """`args_type` from `words`; raises `RunError` with tyro's message in one line."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(args_type, prog=shlex.join(["python", *_program()]), args=words)
    except SystemExit as stop:
        if not stop.code:
            raise
        # A title, without UTF-8 a horizontal rule, the message, a rule, advice.
        lines = (line.strip("│| ") for line in box.getvalue().splitlines()[1:])
        lines = itertools.dropwhile(_is_rule, lines)
        message = " ".join(itertools.takewhile(lambda line: not _is_rule(line), lines))
        near = _near_option(box.getvalue()) or _near_value(message)
        advice = f"Did you mean {near}? " if near else ""
        raise RunError(f"{message.rstrip(' .')}. {advice}See --help.") from None


def _near_option(text: str) -> str | None:
    """The first option that tyro suggests in `text`."""
    _, _, suggested = text.partition("Perhaps you meant")
    options = re.findall(r"^[│| ]*(--[\w.-]+)", suggested, re.MULTILINE)
    return options[0] if options else None


def _near_value(message: str) -> str | None:
    """The valid value that is nearest to an invalid one."""
    found = re.search(r"invalid choice '(.*?)'.*Expected one of \((.*)\)", message)
    if not found:
        return None
    near = difflib.get_close_matches(found[1], re.findall(r"'(.*?)'", found[2]), n=1)
    return near[0] if near else None


def short(path: Path) -> Path:
    """`path` from the current directory, if it is inside of it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def count(number: int, noun: str) -> str:
    """`1 seed`, `2 seeds`, `1,000 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def optional_fields(dataclass_: type[Any]) -> type[Any]:
    """A dataclass with the fields of `dataclass_`, None where the command line does not give them.

    The help of a field is its attribute docstring.
    """
    body = ast.parse(inspect.getsource(dataclass_)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {
        field.target.id: str(text.value.value)
        for field, text in itertools.pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }

    def optional(field: dataclasses.Field[Any]) -> tuple[str, Any, Any]:
        hint = f"(CartPole-v1: {field.default})"
        arg = tyro.conf.arg(help=docs[field.name], help_behavior_hint=hint)
        given_or_none = cast(Any, field.type) | None
        return field.name, Annotated[given_or_none, arg], dataclasses.field(default=None)

    fields = [optional(field) for field in dataclasses.fields(dataclass_)]
    return dataclasses.make_dataclass("Overrides", fields, frozen=True)


def _is_rule(line: str) -> bool:
    return set(line) <= set("─-")


def resume_command(run_dir: Path) -> str:
    """The command line of this process, changed to resume the run in `run_dir`."""
    words, skip = _program(), False
    for word in sys.argv[1:]:
        name = word.replace("_", "-").split("=")[0]
        if not skip and name not in ("--run-dir", "--resume"):
            words.append(word)
        skip = word.replace("_", "-") == "--run-dir"
    return shlex.join(["python", *words, "--run-dir", str(run_dir), "--resume"])


def _program() -> list[str]:
    """The words of the command line between `python` and the options."""
    # With `-m`, `sys.argv[0]` is the path of the module; its name is in the spec only.
    module = getattr(sys.modules["__main__"], "__spec__", None)
    return ["-m", module.name.removesuffix(".__main__")] if module else sys.argv[:1]


def _exit(message: str, exit_code: int, immediately: bool = False, of_all: bool = False) -> None:
    """Prints `message` and exits; `of_all` if the other processes of the run exit for the same reason."""
    # A value of a file may hold line breaks or sequences that control a terminal.
    shown = "".join(x if x.isprintable() else repr(x)[1:-1] for x in message)
    kind = "" if exit_code > 128 else "error: "  # 128 and more is a signal, which the user sent.
    print(kind + shown, file=sys.stderr, flush=True)
    if immediately:
        os._exit(exit_code)
    if not of_all:
        _leave_group(exit_code)
    sys.exit(exit_code)


def _leave_group(reason: Exception | int) -> None:
    """Ends one of several processes immediately; a normal exit would wait for the others."""
    if processes.count() == 1:
        return
    if isinstance(reason, Exception):
        traceback.print_exception(reason)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(reason if isinstance(reason, int) else 1)
