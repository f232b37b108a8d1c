"""How do words on a command line become choices, and mistakes one line?"""

import contextlib
import dataclasses
import io
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jaxdqn.config import Config, ConfigError
from jaxdqn.runs.errors import BAD_INPUT, DAMAGED, RunError, Unwritable
from jaxdqn.runs.signals import stop_request

Args = TypeVar("Args")


def main(args_type: type[Any], run: Callable[[Any], None]) -> None:
    """Parses the command line into `args_type`, runs, and exits; a mistake is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with stop_request():
            run(parse(args_type, sys.argv[1:]))
    except ConfigError as error:
        own = {field.name for field in dataclasses.fields(args_type)}
        nested = {field.name for field in dataclasses.fields(Config)} - own
        option = f"config.{error.option}" if error.option in nested else error.option
        _exit(f"--{option.replace('_', '-')} ({error.value}) {error.rule}", BAD_INPUT)
    except RunError as error:
        go_on = f" Go on with: {resume_command(error.run_dir)}" if error.run_dir else ""
        _exit(f"{error}{go_on}", error.exit_code, at_once=isinstance(error, Unwritable))
    except Exception as error:
        # Full memory and full disks, as JAX and Orbax tell them; all else is a bug, shown whole.
        full = ("RESOURCE_EXHAUSTED", "Out of memory")
        if not isinstance(error, OSError | MemoryError) and not any(x in str(error) for x in full):
            _leave_company(error)
            raise
        _exit(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}", DAMAGED)


def say(line: str) -> None:
    """Prints, unless nobody reads any more: `| head` must not end a training."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(args_type: type[Args], words: Sequence[str]) -> Args:
    """`args_type` from `words`; tyro's boxed explanation of a mistake becomes its first sentence."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(args_type, args=words)
    except SystemExit as stop:
        if not stop.code:
            raise
        # A title, a rule, the mistake, a rule, advice; in ASCII where the terminal wants it.
        parts = re.split(r"[─-]{5,}", re.sub("[╭╮│╰╯]", " ", box.getvalue()))
        mistake = " ".join(parts[min(1, len(parts) - 1)].split())
        raise RunError(f"{mistake.rstrip(' .')}. See --help.") from None


def resume_command(run_dir: Path) -> str:
    """The command line of this process, made to go on in `run_dir`."""
    # With `-m` the first word is the module's file; its name is told here alone.
    module = getattr(sys.modules["__main__"], "__spec__", None)
    words, skip = ["-m", module.name] if module else sys.argv[:1], False
    for word in sys.argv[1:]:
        name = word.replace("_", "-").split("=")[0]
        if not skip and name not in ("--run-dir", "--resume"):
            words.append(word)
        skip = word.replace("_", "-") == "--run-dir"
    return shlex.join(["python", *words, "--run-dir", str(run_dir), "--resume"])


def _exit(message: str, exit_code: int, at_once: bool = False) -> None:
    print("error:", message.replace("\n", "\\n"), file=sys.stderr, flush=True)
    if at_once:
        os._exit(exit_code)
    _leave_company(exit_code)
    sys.exit(exit_code)


def _leave_company(why: Exception | int) -> None:
    """Ends one of several processes at once: a normal end would wait for others, who wait for it."""
    processes = sys.modules.get("jaxdqn.runs.processes")
    if processes is None or processes.count() == 1:
        return
    if isinstance(why, Exception):
        traceback.print_exception(why)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(why if isinstance(why, int) else 1)
