"""Errors that end a run: one line for the user and an exit code."""

import signal
from pathlib import Path

BAD_INPUT = 2
DIVERGED = 3
DAMAGED = 4
PROCESS_EXITED = 5


class RunError(Exception):
    """Ends the program with `message` in one line on stderr, and `exit_code`.

    If `run_dir` is given, the line ends with the command that resumes the run there.
    """

    def __init__(
        self, message: str, exit_code: int = BAD_INPUT, run_dir: Path | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.run_dir = run_dir


class Interrupted(RunError):
    """The run in `run_dir` was stopped by a signal, after saving. Exits with 128 + the signal number."""

    def __init__(self, signal_number: int, env_steps: int, run_dir: Path) -> None:
        name = signal.Signals(signal_number).name
        message = f"{name}: stopped and saved at {env_steps:,} environment steps."
        super().__init__(message, 128 + signal_number, run_dir)


class Unwritable(RunError):
    """The directory `run_dir` can no longer be written. Exits immediately, since libraries would keep retrying."""

    def __init__(self, reason: str, run_dir: Path) -> None:
        rule = f"can no longer be written: {reason}. Earlier checkpoints are kept."
        super().__init__(f"--run-dir ({run_dir}) {rule}", DAMAGED, run_dir)
