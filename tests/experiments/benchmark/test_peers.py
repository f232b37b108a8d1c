"""Speed beside other libraries: a worker answers each turn, and one that cannot do the work says why."""

import sys

import pytest

from experiments.benchmark import peers


@pytest.mark.slow
@pytest.mark.parametrize("work", ["cartpole", "breakout", "breakout-pqn"])
def test_a_worker_trains_once_a_turn(work):
    worker = peers.Worker(sys.executable, peers.OURS, work, seeds=2)
    try:
        worker.time()
        worker.time()
    finally:
        worker.close()
    assert not worker.problem
    assert len(worker.rates) == 2 and min(worker.rates) > 0 and worker.compile_seconds > 0


def test_a_library_that_cannot_do_the_work_says_why():
    worker = peers.Worker(sys.executable, "rejax", "breakout", seeds=1)
    worker.time()
    assert worker.problem == "ModuleNotFoundError: No module named 'rejax'"
    line = peers.line("rejax", "breakout", 1, worker, [3.0])
    assert line["updates per second"] == worker.problem and line["jaxdqn is faster by"] == "–"


@pytest.mark.parametrize(
    ("work", "env_steps"),
    # 10 steps an update; 64 for 8 updates; 128 * 32 for 64.
    [
        ("cartpole", "1,000 (500 to 2,000)"),
        ("breakout", "800 (400 to 1,600)"),
        ("breakout-pqn", "6,400 (3,200 to 12,800)"),
    ],
)
def test_rates_are_compared_within_a_turn(work, env_steps):
    worker = object.__new__(peers.Worker)
    worker.rates, worker.problem, worker.compile_seconds = [100.0, 50.0, 200.0], "", 2.5
    line = peers.line("rejax", work, 32, worker, [300.0, 100.0, 800.0])
    assert line["updates per second"] == "100 (50 to 200)"
    assert line["environment steps per second"] == env_steps
    assert line["jaxdqn is faster by"] == "3 (2 to 4)"
