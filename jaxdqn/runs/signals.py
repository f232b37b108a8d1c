"""Has somebody asked us to stop? SIGINT and SIGTERM, remembered until the chunk's end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """The first signal that came, if any."""

    signal_number: int = 0

    @property
    def requested(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Keeps the first; later ones change nothing, the save under way is not cut short."""
        del frame
        self.signal_number = self.signal_number or signal_number


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches SIGINT and SIGTERM while the block runs, then restores whoever caught them before."""
    request = StopRequest()
    before = {s: signal.signal(s, request.receive) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
