"""Stop requests: SIGINT and SIGTERM, answered at once and recorded until the run can save and stop.

A signal handler in Python waits for the end of a compilation or of a chunk. The file descriptor of
`signal.set_wakeup_fd` does not, so a thread that reads it writes the answer.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jaxdqn import starting
from jaxdqn.runs.errors import RunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The first signal received, or 0."""

    signal_number: int = 0
    notice: str = ""
    """Written to stderr when the first signal arrives."""
    farewell: str = ""
    """If given, the first signal ends the process with this line, since nothing has to be saved."""

    @property
    def requested(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Signal handler: records the first signal."""
        del frame
        self.signal_number = self.signal_number or signal_number

    def answer(self, file: int) -> None:
        """Answers the signals that arrive as bytes in `file`; a SIGINT after the first ends the process."""
        first = True
        while number := os.read(file, 1):
            if (signal_number := number[0]) not in SIGNALS:
                continue
            if first and self.farewell:
                line = f"{signal.Signals(signal_number).name}: {self.farewell}\n"
                # After the progress of a terminal, and the characters ^C.
                _exit(signal_number, f"\n{line}" if os.isatty(2) else line)
            if not first and signal_number == signal.SIGINT:
                _exit(signal_number, "\nerror: stopped without saving.\n")
            if first and self.notice:
                _write(f"\n{self.notice}\n")
            first = False


def _exit(signal_number: int, text: str) -> None:
    _write(text)
    os._exit(128 + signal_number)


def _write(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Records SIGINT and SIGTERM while the block runs; a nested block uses the outer request.

    For the main thread only, where Python calls the handlers of signals.
    """
    outer = _current()
    if outer is not None:
        yield outer
        return
    request = StopRequest()
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    thread = threading.Thread(target=request.answer, args=(read,), daemon=True)
    thread.start()
    try:
        yield request
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(write)
        thread.join()
        os.close(read)
        for number, handler in before.items():
            # When a program ends, everything is saved, and its interpreter would report a SIGINT.
            signal.signal(number, signal.SIG_IGN if handler is starting.stop else handler)


NOT_BEGUN = "stopped before training began."


@contextmanager
def ending_at_once(message: str = NOT_BEGUN) -> Iterator[None]:
    """A signal ends the program with this line while the block runs; a notebook goes on."""
    request = _current()
    if request is None:
        yield
        return
    stop_if_requested(message)
    request.farewell = message
    try:
        yield
    finally:
        request.farewell = ""


def stop_if_requested(message: str = NOT_BEGUN) -> None:
    """Raises `RunError` if a signal was received; call it where nothing has to be saved."""
    request = _current()
    if request is not None and request.requested:
        name = signal.Signals(request.signal_number).name
        raise RunError(f"{name}: {message}", 128 + request.signal_number)


def _current() -> StopRequest | None:
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, StopRequest) else None
