"""Scripts of `experiments/` as subprocesses."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SMALL = (
    "--steps",
    "3000",
    "--eval-interval",
    "400",
    "--eval-episodes",
    "8",
    "--config.buffer-size",
    "1600",
)
"""CartPole in five chunks of the same length, since a shorter last one is compiled as another program."""


def start(script, *options, **kwargs):
    """Starts a script, such as `"cartpole.py"`: a `Popen` whose output is captured as text."""
    command = [sys.executable, str(ROOT / "experiments" / script), *map(str, options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, env=environment, **pipes | kwargs)


def finish(process):
    """Waits for the process; returns exit code, stdout and stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def run(script, *options):
    return finish(start(script, *options))


def files(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
