"""Runs programs one after another in one process, which saves the seconds of their imports, under limits.

    python -m experiments.robustness.worker

The process reads a command from each line of stdin, runs the `main` of its program as `python` would,
and answers with its exit code, its output, its largest memory, and files that it wrote elsewhere.
`Worker` starts the process, and ends it when it exceeds a limit.
"""

import contextlib
import importlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).parents[2]
MOST_BYTES = 2_000_000_000
RESTART_BYTES = 1_000_000_000
"""Memory of an idle process, most of it compiled programs, above which a new one is started."""


class Outcome(NamedTuple):
    """What a command did."""

    code: int | None
    """Exit code; None if the process was ended for a limit or died."""
    output: str
    """stderr, then stdout."""
    peak: int
    """Largest resident memory of the process, in bytes."""
    outside: list[str]
    """Files that were written or deleted outside of `allowed`."""
    limit: str = ""
    """The limit that was exceeded: "time" or "memory", or "crash"."""


class Worker:
    """A process that runs commands."""

    def __init__(self, log: Path) -> None:
        """`log` receives what the process itself writes to stderr, such as the messages of libraries in C."""
        self._log, self._process = log, None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def run(
        self, program: str, words: Sequence[str], allowed: Path, stop_after: float, patience: float
    ) -> Outcome:
        """Runs `program`, such as "train", with the options `words` in the directory `allowed`.

        After `stop_after` seconds it is asked to stop by SIGINT, after `patience` more it hangs.
        """
        if self._process is None or self._memory() > RESTART_BYTES:
            self._start()
        assert self._process and self._process.stdin and self._process.stdout
        request = {"program": program, "words": list(words), "allowed": str(allowed)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        began, asked = time.monotonic(), False
        while not select.select([self._process.stdout], [], [], 0.05)[0]:
            passed = time.monotonic() - began
            if self._memory() > MOST_BYTES:
                return self._ended("memory")
            if passed > stop_after + patience:
                return self._ended("time")
            if passed > stop_after and not asked:
                self._process.send_signal(signal.SIGINT)
                asked = True
        answer = self._process.stdout.readline()
        return Outcome(**json.loads(answer)) if answer else self._ended("crash")

    def _ended(self, limit: str) -> Outcome:
        self._stop()
        return Outcome(None, self._log.read_text(errors="replace")[-2_000:], 0, [], limit)

    def _memory(self) -> int:
        assert self._process
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._process.pid).memory_info().rss
        return 0

    def _start(self) -> None:
        self._stop()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "experiments.robustness.worker"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        self._process.stdout.readline()  # It is ready.

    def _stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process = None


class Exit(BaseException):
    """Stands for the end of the process by `os._exit`."""


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1}
"""Audit events that change a file -> how many of their arguments are paths."""


class Audit:
    """Records changes of files outside of some directories."""

    def __init__(self) -> None:
        self.allowed: list[str] | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open" and isinstance(args[0], str | bytes) and args[2] & WRITES:
            self._check(os.path.realpath(os.fsdecode(args[0])))
        elif event in CHANGES and all(x in (-1, None) for x in args[CHANGES[event] :][-1:]):
            # The entry itself is changed, not what a link refers to.
            for path in map(os.fsdecode, args[: CHANGES[event]]):
                folder, name = os.path.split(os.path.abspath(path))
                self._check(os.path.join(os.path.realpath(folder), name))

    def _check(self, path: str) -> None:
        roots = self.allowed or []
        if not any(path == root or path.startswith(root + os.sep) for root in roots):
            self.outside.append(path)


def serve() -> None:
    """Answers the commands of stdin."""
    from jaxdqn.runs import cli

    audit, channel = Audit(), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cache = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path.home() / ".cache/jaxdqn"))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    modules = {
        x: importlib.import_module(f"experiments.{x}")
        for x in ("train", "watch", "sweep", "report")
    }
    import jax

    from jaxdqn.runs import experiment

    mains = {
        "train": (experiment.EnvArgs, experiment.train),
        "watch": (modules["watch"].Args, modules["watch"].main),
        "sweep": (modules["sweep"].Args, modules["sweep"].main),
        "report": (modules["report"].Args, modules["report"].main),
    }

    def leave(code: int) -> None:
        raise Exit(code)

    os._exit = leave  # pyright: ignore
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", file=channel, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request["allowed"])
        sys.argv = [f"{request['program']}.py", *request["words"]]
        Path("/proc/self/clear_refs").write_text("5")  # Forgets the largest memory so far.
        audit.allowed, audit.outside = [request["allowed"], cache, "/dev", "/proc"], []
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = 0
            try:
                cli.main(*mains[request["program"]])
            except (SystemExit, Exit) as stop:
                code = stop.args[0] if stop.args and stop.args[0] is not None else 0
            except BaseException:
                traceback.print_exc()
                code = 1
        audit.allowed = None
        jax.clear_caches()
        peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
        text = err.getvalue() + out.getvalue()
        answer = Outcome(code, text, int(peak.split()[1]) * 1_024, audit.outside)
        print(json.dumps(answer._asdict()), file=channel, flush=True)


if __name__ == "__main__":
    serve()
