"""Has somebody asked us to stop? SIGINT and SIGTERM, remembered until it is safe."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jaxdqn.runs.errors import RunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The first signal that came, if any."""

    signal_number: int = 0

    @property
    def requested(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Keeps the first. A second SIGINT ends the process at once, saved or not."""
        del frame
        if self.requested and signal_number == signal.SIGINT:
            os.write(
                sys.__stderr__.fileno() if sys.__stderr__ else 2, b"\nerror: stopped at once.\n"
            )
            os._exit(128 + signal_number)
        self.signal_number = self.signal_number or signal_number


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches SIGINT and SIGTERM while the block runs; within another such block, shares its request."""
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
            signal.signal(number, handler)


def stop_if_requested(then: str = "stopped before training began.") -> None:
    """Raises `RunError` if a signal came in the block around, at a time when nothing has to be saved."""
    request = _current()
    if request is not None and request.requested:
        name = signal.Signals(request.signal_number).name
        raise RunError(f"{name}: {then}", 128 + request.signal_number)


def _current() -> StopRequest | None:
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, StopRequest) else None
