"""Speed beside other libraries: a worker answers each turn, and one that cannot do the work says why."""

import sys

import pytest

from experiments.benchmark import peers


@pytest.mark.slow
def test_a_worker_trains_once_a_turn():
    worker = peers.Worker(sys.executable, peers.OURS, seeds=2)
    try:
        worker.time()
        worker.time()
    finally:
        worker.close()
    assert not worker.problem
    assert len(worker.rates) == 2 and min(worker.rates) > 0 and worker.compile_seconds > 0


def test_a_library_that_cannot_do_the_work_says_why():
    worker = peers.Worker(sys.executable, "rejax", seeds=1)
    worker.time()
    assert worker.problem == "ModuleNotFoundError: No module named 'rejax'"
    line = peers.line("rejax", 1, worker, [3.0])
    assert line["updates per second"] == worker.problem and line["jaxdqn is faster by"] == "–"


def test_rates_are_compared_within_a_turn():
    worker = object.__new__(peers.Worker)
    worker.rates, worker.problem, worker.compile_seconds = [100.0, 50.0, 200.0], "", 2.5
    line = peers.line("rejax", 32, worker, [300.0, 100.0, 800.0])
    assert line["updates per second"] == "100 (50 to 200)"
    assert line["environment steps per second"] == "1,000 (500 to 2,000)"
    assert line["jaxdqn is faster by"] == "3 (2 to 4)"
