"""What ends a run early? One line for a person, and an exit code for a machine."""

import signal
from pathlib import Path

BAD_INPUT = 2
DIVERGED = 3
DAMAGED = 4
LOST = 5


class RunError(Exception):
    """Ends the program with `message` on stderr, in one line, and `exit_code`.

    The line also says how to go on in `run_dir`, where one is given.
    """

    def __init__(
        self, message: str, exit_code: int = BAD_INPUT, run_dir: Path | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.run_dir = run_dir


class Interrupted(RunError):
    """A signal asked the run in `run_dir` to stop, and it did, after saving.

    Exits with 128 + the signal's number.
    """

    def __init__(self, signal_number: int, world_steps: int, run_dir: Path) -> None:
        name = signal.Signals(signal_number).name
        message = f"{name}: stopped and saved at {world_steps:,} world steps."
        super().__init__(message, 128 + signal_number, run_dir)


class Unwritable(RunError):
    """The directory `run_dir` takes no more. The process ends at once, since its libraries would go on trying."""

    def __init__(self, reason: str, run_dir: Path) -> None:
        rule = f"can no longer be written: {reason}. What was saved is kept."
        super().__init__(f"--run-dir ({run_dir}) {rule}", DAMAGED, run_dir)
