"""The start of a program, before its other imports, which take a second; nothing happens in a library or a notebook.

From here on SIGINT ends the program with one line and exit code 130, closed standard streams are the
null device, so that no file gets their numbers, and figures need no display.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

PROGRAMS = Path(__file__).parent.with_name("experiments")


def is_program() -> bool:
    """Whether the process is `python -m jaxdqn`, or runs a script of `experiments/`."""
    script = sys.argv[0] if sys.argv else ""
    return script == "-m" or PROGRAMS in Path(script).resolve().parents


def stop(signal_number: int, frame: FrameType | None) -> None:
    """Signal handler until `jaxdqn.runs.signals` takes over."""
    del frame
    with contextlib.suppress(OSError):
        os.write(2, b"SIGINT: stopped before training began.\n")
    os._exit(128 + signal_number)


def _open_standard_streams() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest free number, which is this one.


if is_program():
    signal.signal(signal.SIGINT, stop)
    _open_standard_streams()
    os.environ["MPLBACKEND"] = "agg"
