"""Standard streams that do not end a run: one that is closed or full is replaced by the null device."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast


class Lasting:
    """A text stream whose `write` and `flush` never raise."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = open(os.devnull, "w") if stream is None else stream

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, call: Callable[..., Any], *args: str) -> None:
        try:
            call(*args)
        except (OSError, ValueError):  # ValueError: the stream is closed.
            nowhere = open(os.devnull, "w")
            with contextlib.suppress(OSError, ValueError):
                # What Python and libraries in C still hold for the stream is dropped, too.
                os.dup2(nowhere.fileno(), self._stream.fileno())
            self._stream = nowhere


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Makes stdout and stderr last while the block runs."""
    out, err = Lasting(sys.stdout), Lasting(sys.stderr)
    with (
        contextlib.redirect_stdout(cast(TextIO, out)),
        contextlib.redirect_stderr(cast(TextIO, err)),
    ):
        try:
            yield
        finally:
            out.flush()
            err.flush()
