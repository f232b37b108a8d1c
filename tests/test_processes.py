"""Several processes on one machine train what one would, and end in one line when one of them is gone."""

import json
import os
import shutil
import signal
import socket
import time

import jax
import numpy as np
import pytest
import runner

from jaxdqn.config import ConfigError
from jaxdqn.population import Members
from jaxdqn.runs import processes
from jaxdqn.runs.errors import LOST, RunError

SHORT = (
    *runner.SMALL, "--steps", 12_000, "--seeds", 4, "--seed", 7, "--save-period", 1,
)  # fmt: skip


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_two(run_dir, *options):
    """Both processes, begun."""
    address = f"127.0.0.1:{free_port()}"
    return [
        runner.start(
            "cartpole.py", *SHORT, "--run-dir", run_dir, "--quiet", "--coordinator", address,
            "--num-processes", 2, "--process-id", i, *options,
        )
        for i in (0, 1)
    ]  # fmt: skip


def lines(run_dir):
    path = run_dir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_chunk(running, run_dir, chunk):
    while len(lines(run_dir / "process-0")) < chunk:
        assert all(process.poll() is None for process in running)
        time.sleep(0.005)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The four members trained by one process."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    code, _, err = runner.run("cartpole.py", *SHORT, "--run-dir", run_dir, "--quiet")
    assert code == 0, err
    return run_dir


def results(run_dir):
    result = json.loads((run_dir / "result.json").read_text())
    del result["seconds"]
    return result


@pytest.mark.slow
def test_two_processes_find_what_one_finds_to_the_bit(alone, tmp_path):
    running = start_two(tmp_path)
    for process in running:
        assert runner.finish(process) == (0, "", "")
    for i in (0, 1):
        own = tmp_path / f"process-{i}"
        assert lines(own) == lines(alone) and results(own) == results(alone)
    sizes = [
        sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        for path in (*sorted(tmp_path.glob("process-*/checkpoints/[0-9]*")), alone / "checkpoints")
    ]
    # Each saves its own half.
    assert max(sizes[:-1]) < 0.4 * sizes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others_in_one_line_and_the_run_resumes(alone, tmp_path, victim):
    running = start_two(tmp_path)
    wait_for_chunk(running, tmp_path, 3)
    os.kill(running[victim].pid, signal.SIGKILL)
    killed = time.monotonic()
    code, out, err = runner.finish(running[1 - victim])
    assert (code, out) == (LOST, "") and time.monotonic() - killed < 30
    assert err.startswith("error: another process of the run is gone (") and err.count("\n") == 1
    runner.finish(running[victim])
    assert len(lines(tmp_path / f"process-{1 - victim}")) < len(lines(alone))
    for process in start_two(tmp_path, "--resume"):
        assert runner.finish(process) == (0, "", "")
    for i in (0, 1):
        own = tmp_path / f"process-{i}"
        assert lines(own) == lines(alone) and results(own) == results(alone)


@pytest.mark.slow
def test_a_run_stopped_in_one_process_stops_in_all_and_resumes_to_the_bit(alone, tmp_path):
    running = start_two(tmp_path)
    wait_for_chunk(running, tmp_path, 1)
    running[1].send_signal(signal.SIGTERM)
    for process in running:
        code, _, err = runner.finish(process)
        assert code == 143 and f"--run-dir {tmp_path} " in err and err.count("\n") == 1
    stopped = lines(tmp_path / "process-0")
    assert stopped == lines(tmp_path / "process-1") and len(stopped) < len(lines(alone))
    # As if this one had been killed before its newest save was whole: both go further back.
    newest = max((tmp_path / "process-1/checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    for process in start_two(tmp_path, "--resume"):
        code, _, err = runner.finish(process)
        assert code == 0, err
    for i in (0, 1):
        assert lines(tmp_path / f"process-{i}") == lines(alone)


@pytest.mark.slow
def test_several_processes_must_say_where_they_meet_and_share_evenly(tmp_path):
    for options, line in (
        (("--seeds", 3), "--num-processes (2) must be a divisor of the number of members (3)."),
        (
            ("--data-shards", 2),
            "--data-shards (2) must be 1 where several processes share a run.",
        ),
    ):
        for process in start_two(tmp_path / "run", *options):
            assert runner.finish(process) == (2, "", f"error: {line}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("h:1", 2, None, False), r"process_id \(None\) must be given, as --coordinator "),
        ((None, 2, 0, False), r"coordinator \(None\) must be given"),
        (("h:1", None, 0, False), r"num_processes \(None\) must be given"),
        (("nohost", 2, 0, False), r"coordinator \(nohost\) must be HOST:PORT\."),
        (("h:99999", 2, 0, False), r"coordinator \(h:99999\) must be HOST:PORT\."),
        ((":80", 2, 0, False), r"coordinator \(:80\) must be HOST:PORT\."),
        (("h:1", 0, 0, False), r"num_processes \(0\) must be at least 1\."),
        (("h:1", 2, 2, False), r"process_id \(2\) must be below num_processes \(2\)\."),
        (("h:1", 2, -1, False), r"process_id \(-1\) must be at least 0\."),
        (("h:1", 2, 0, True), r"distributed \(True\) must stand alone"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, line):
    with pytest.raises(ConfigError, match=line):
        processes.start(*given)


def test_a_coordinator_that_nobody_listens_at_is_one_line(monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    with pytest.raises(
        RunError, match=r"--coordinator \(127.0.0.1:\d+\) must be reachable"
    ) as error:
        processes.start(f"127.0.0.1:{free_port()}", 2, 1, False)
    assert error.value.exit_code == LOST


def test_a_port_in_use_is_one_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"coordinator \(127.0.0.1:{port}\) must be a free port"
        ):
            processes.start(f"127.0.0.1:{port}", 2, 0, False)


def test_a_cluster_that_jax_does_not_know_is_one_line(monkeypatch):
    def initialize(*given, **options):
        raise ValueError("coordinator_address should be defined.\nAnd more.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(
        ConfigError, match=r"distributed \(True\) must let .*: coordinator_address should"
    ):
        processes.start(None, None, None, True)


def test_processes_with_other_choices_are_refused(monkeypatch):
    processes.require_same({"gamma": 0.9})
    told = []
    monkeypatch.setattr(processes, "gather", lambda digest: told.append(digest) or digest)
    for gamma in (0.9, 0.5):
        processes.require_same({"gamma": gamma})
    monkeypatch.setattr(processes, "gather", lambda digest: np.concatenate([told[0], digest]))
    processes.require_same({"gamma": 0.9})
    with pytest.raises(RunError, match=r"--process-id \(1\) must be given the same choices"):
        processes.require_same({"gamma": 0.5})


def test_one_process_is_its_own_company():
    processes.start(None, None, None, False)
    processes.start("h:1", 1, 0, False)
    assert (processes.index(), processes.count()) == (0, 1)
    np.testing.assert_array_equal(processes.gather(np.arange(3)), np.arange(3))


def test_shares_are_slices_in_order(monkeypatch):
    members = Members(range(6), {"gamma": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]})
    monkeypatch.setattr(processes, "_company", processes.Company(index=1, count=3))
    mine = processes.share(members)
    assert list(mine.seeds) == [2, 3] and mine.settings == {"gamma": [0.2, 0.3]}
