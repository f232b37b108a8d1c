"""Runs with killed processes, damaged files and full disks end identical to an undisturbed run."""

import os
import random
import sys

import pytest
from helpers import runner

from experiments.robustness.harness import Harness

pytest.importorskip("resource", reason="needs limits of a process, which Windows does not have")
from experiments.robustness import faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits another process by prlimit"),
]


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """For the training on the chain, which starts in seconds and saves after each chunk."""
    folder = tmp_path_factory.mktemp("faults")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(runner.ROOT), str(runner.ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    )
    command = sys.executable, str(runner.ROOT / "tests" / "helpers" / "chain_run.py")
    harness = Harness(command, folder / "reference", folder, random.Random(1))
    harness.finish(harness.reference)
    return harness


def test_undisturbed_runs_are_identical_and_a_changed_one_is_not(harness):
    path = harness.new()
    harness.finish(path)
    assert harness.identical(path)
    metrics = path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"chunk": 200', '"chunk": 201'))
    assert not harness.identical(path)


def test_runs_killed_ten_times_end_identical(harness):
    runs, identical, moments = faults.kill(harness, 10)
    assert moments.total() >= 10 and identical == runs
    # The first process is killed as it starts, the second after it saved a checkpoint.
    assert 0 < moments["before the first checkpoint"] < 10


@pytest.mark.parametrize(
    "fault",
    [
        "bit of the newest checkpoint flipped",
        "disk full during the run, freed later",
        "SIGTERM twice in succession",
        "SIGINT during compilation",
    ],
)
def test_a_run_with_a_fault_ends_identical(harness, fault):
    assert faults.FAULTS[fault](harness)
