"""Stop requests: SIGINT and SIGTERM, recorded until the run can save and stop."""

import contextlib
import os
import signal
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

    @property
    def requested(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Signal handler: records the first signal; a SIGINT after it ends the process without saving."""
        del frame
        if self.requested and signal_number == signal.SIGINT:
            with contextlib.suppress(OSError):
                os.write(2, b"\nerror: stopped without saving.\n")
            os._exit(128 + signal_number)
        if self.notice and not self.requested:
            os.write(2, f"\n{self.notice}\n".encode())
        self.signal_number = self.signal_number or signal_number


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Records SIGINT and SIGTERM while the block runs; a nested block uses the outer request."""
    outer = _current()
    if outer is not None:
        yield outer
        return
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            # When a program ends, everything is saved, and its interpreter would report a SIGINT.
            signal.signal(number, signal.SIG_IGN if handler is starting.stop else handler)


def stop_if_requested(message: str = "stopped before training began.") -> None:
    """Raises `RunError` if a signal was received; call it where nothing has to be saved."""
    request = _current()
    if request is not None and request.requested:
        name = signal.Signals(request.signal_number).name
        raise RunError(f"{name}: {message}", 128 + request.signal_number)


def _current() -> StopRequest | None:
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, StopRequest) else None
