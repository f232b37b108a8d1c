"""Processes killed and disks filled for real: every run ends as the one that nobody disturbed."""

import os
import random
import sys

import pytest
import runner

from experiments import faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files by prlimit"),
]


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """Of the chain's training, which starts in seconds and saves after each of its chunks."""
    folder = tmp_path_factory.mktemp("faults")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(runner.ROOT), str(runner.ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    )
    command = sys.executable, str(runner.ROOT / "tests" / "chain_run.py")
    found = faults.Harness(command, folder / "whole", folder, random.Random(1))
    found.finish(found.whole)
    return found


def test_two_runs_that_nobody_disturbed_end_alike_and_another_does_not(harness):
    path = harness.new()
    harness.finish(path)
    assert harness.identical(path)
    metrics = path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"chunk": 200', '"chunk": 201'))
    assert not harness.identical(path)


def test_thirty_kills_leave_no_trace(harness):
    runs, identical, moments = faults.kill(harness, 30)
    assert sum(moments.values()) >= 30 and identical == runs
    # Not all at one moment.
    assert len(moments) >= 3, moments


@pytest.mark.parametrize(
    "fault",
    [
        "a bit of the newest save flipped",
        "a full disk in mid-run, later freed",
        "SIGTERM twice in a row",
        "SIGINT during the compilation",
    ],
)
def test_a_fault_leaves_no_trace(harness, fault):
    assert faults.FAULTS[fault](harness)
