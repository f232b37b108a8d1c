"""Helps tests to run an experiment in a process of its own. Used by the tests only."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALL = (
    "--steps",
    "3000",
    "--chunk-steps",
    "500",
    "--eval-episodes",
    "8",
    "--config.capacity",
    "1600",
)


def start(script, *options, **kwargs):
    """The experiment, begun: a `Popen` with its output captured as text."""
    command = [sys.executable, str(ROOT / "experiments" / script), *map(str, options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, env=environment, **pipes | kwargs)


def finish(process):
    """Waits: exit code, stdout, stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def run(script, *options):
    return finish(start(script, *options))
