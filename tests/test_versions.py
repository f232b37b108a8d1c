"""Saves cross versions of JAX: `OTHER_PYTHON=/of/another/environment/bin/python pytest tests/test_versions.py`."""

import json
import os
import random
import signal
import sys

import pytest
import runner

from experiments import faults

OTHER = os.environ.get("OTHER_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OTHER, reason="OTHER_PYTHON names no other environment"),
]


@pytest.mark.parametrize(("before", "after"), [(OTHER, sys.executable), (sys.executable, OTHER)])
def test_a_run_goes_on_under_another_version(tmp_path, monkeypatch, before, after):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(runner.ROOT), str(runner.ROOT / "tests")])
    )
    script, path = str(runner.ROOT / "tests" / "chain_run.py"), tmp_path / "run"

    def harness(python):
        return faults.Harness((python, script), path, tmp_path, random.Random(0))

    process = harness(before).start(path)
    faults.wait_for(process, path, saves=2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=faults.PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    lines = (path / "metrics.jsonl").read_text()
    said = harness(after).finish(path)
    # It says that it will not be equal to the bit, and of which packages; it passes no save over.
    assert said.startswith("warning: the run began with ") and said.count("\n") == 1
    assert "jax " in said
    whole = (path / "metrics.jsonl").read_text()
    assert whole.startswith(lines)
    assert [json.loads(line)["chunk"] for line in whole.splitlines()] == [*range(1, 201)]
