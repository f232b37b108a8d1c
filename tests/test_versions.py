"""Checkpoints across versions of JAX: `OTHER_PYTHON=/path/to/bin/python pytest tests/test_versions.py`."""

import json
import os
import random
import signal
import sys

import pytest
from helpers import runner

from experiments.robustness import harness

OTHER = os.environ.get("OTHER_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OTHER, reason="OTHER_PYTHON names no other environment"),
]


@pytest.mark.parametrize(("before", "after"), [(OTHER, sys.executable), (sys.executable, OTHER)])
def test_a_run_resumes_under_another_version(tmp_path, monkeypatch, before, after):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(runner.ROOT), str(runner.ROOT / "tests")])
    )
    script, path = str(runner.ROOT / "tests" / "helpers" / "chain_run.py"), tmp_path / "run"

    def program(python):
        return harness.Harness((python, script), path, tmp_path, random.Random(0))

    process = program(before).start(path)
    harness.wait_for(process, path, checkpoints=2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=harness.PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    lines = (path / "metrics.jsonl").read_text()
    warning = program(after).finish(path)
    # The only warning is that of the versions: no checkpoint was skipped.
    assert warning.startswith("warning: the run began with ") and warning.count("\n") == 1
    assert "jax " in warning
    text = (path / "metrics.jsonl").read_text()
    assert text.startswith(lines)
    assert [json.loads(line)["chunk"] for line in text.splitlines()] == [*range(1, 201)]
