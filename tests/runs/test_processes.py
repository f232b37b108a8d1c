"""Process groups: results identical to one process, exits, and options that are rejected."""

import json
import os
import shutil
import signal
import socket
import time

import jax
import numpy as np
import pytest
from helpers import runner

from jaxdqn.config import ConfigError
from jaxdqn.runs import processes
from jaxdqn.runs.errors import PROCESS_EXITED, RunError
from jaxdqn.training.population import Population

SHORT = (
    *runner.SMALL, "--steps", 12_000, "--seeds", 4, "--seed", 7, "--checkpoint-interval", 1,
)  # fmt: skip


def free_port():
    with socket.socket() as test:
        test.bind(("127.0.0.1", 0))
        return test.getsockname()[1]


def start_two(run_dir, *options):
    """Starts both processes of a run."""
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
    """The four agents trained by one process."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    code, _, err = runner.run("cartpole.py", *SHORT, "--run-dir", run_dir, "--quiet")
    assert code == 0, err
    return run_dir


def results(run_dir):
    result = json.loads((run_dir / "result.json").read_text())
    del result["seconds"]
    return result


@pytest.mark.slow
def test_two_processes_are_bit_identical_to_one(alone, tmp_path):
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
    # Each process saves its own half.
    assert max(sizes[:-1]) < 0.4 * sizes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_after_a_kill_the_others_exit_with_one_line_and_the_run_resumes(alone, tmp_path, victim):
    running = start_two(tmp_path)
    wait_for_chunk(running, tmp_path, 3)
    os.kill(running[victim].pid, signal.SIGKILL)
    killed = time.monotonic()
    code, out, err = runner.finish(running[1 - victim])
    assert (code, out) == (PROCESS_EXITED, "") and time.monotonic() - killed < 30
    assert err.startswith("error: another process of the run has exited (") and err.count("\n") == 1
    runner.finish(running[victim])
    assert len(lines(tmp_path / f"process-{1 - victim}")) < len(lines(alone))
    for process in start_two(tmp_path, "--resume"):
        assert runner.finish(process) == (0, "", "")
    for i in (0, 1):
        own = tmp_path / f"process-{i}"
        assert lines(own) == lines(alone) and results(own) == results(alone)


@pytest.mark.slow
def test_a_stop_request_stops_all_processes_and_the_run_resumes_bit_identical(alone, tmp_path):
    running = start_two(tmp_path)
    wait_for_chunk(running, tmp_path, 1)
    running[1].send_signal(signal.SIGTERM)
    for process in running:
        code, _, err = runner.finish(process)
        assert code == 143 and f"--run-dir {tmp_path} " in err and err.count("\n") == 1
    stopped = lines(tmp_path / "process-0")
    assert stopped == lines(tmp_path / "process-1") and len(stopped) < len(lines(alone))
    # As if this process had been killed during its last save: both restore an earlier checkpoint.
    newest = max((tmp_path / "process-1/checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    for process in start_two(tmp_path, "--resume"):
        code, _, err = runner.finish(process)
        assert code == 0, err
    for i in (0, 1):
        assert lines(tmp_path / f"process-{i}") == lines(alone)


@pytest.mark.slow
def test_several_processes_reject_uneven_agents_and_data_shards(tmp_path):
    for options, line in (
        (("--seeds", 3), "--num-processes (2) must be a divisor of the number of agents (3)."),
        (("--data-shards", 2), "--data-shards (2) must be 1 when several processes share a run."),
    ):
        for process in start_two(tmp_path / "run", *options):
            assert runner.finish(process) == (2, "", f"error: {line}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("h:1", 2, None, False), r"process_id \(None\) must be given: --coordinator, "),
        ((None, 2, 0, False), r"coordinator \(None\) must be given"),
        (("h:1", None, 0, False), r"num_processes \(None\) must be given"),
        (("nohost", 2, 0, False), r"coordinator \(nohost\) must be HOST:PORT\."),
        (("h:99999", 2, 0, False), r"coordinator \(h:99999\) must be HOST:PORT\."),
        ((":80", 2, 0, False), r"coordinator \(:80\) must be HOST:PORT\."),
        (("h:1", 0, 0, False), r"num_processes \(0\) must be at least 1\."),
        (("h:1", 2, 2, False), r"process_id \(2\) must be below num_processes \(2\)\."),
        (("h:1", 2, -1, False), r"process_id \(-1\) must be at least 0\."),
        (("h:1", 2, 0, True), r"distributed \(True\) must be given without --coordinator, "),
    ],
)
def test_invalid_options_are_rejected(given, line):
    with pytest.raises(ConfigError, match=line):
        processes.start(*given)


def test_an_unreachable_coordinator_is_one_line(monkeypatch):
    monkeypatch.setattr(processes, "START_TIMEOUT", 0.2)
    with pytest.raises(
        RunError, match=r"--coordinator \(127.0.0.1:\d+\) must be reachable"
    ) as error:
        processes.start(f"127.0.0.1:{free_port()}", 2, 1, False)
    assert error.value.exit_code == PROCESS_EXITED


def test_a_port_in_use_is_one_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"coordinator \(127.0.0.1:{port}\) must be a free port"
        ):
            processes.start(f"127.0.0.1:{port}", 2, 0, False)


def test_an_unknown_cluster_is_one_line(monkeypatch):
    def initialize(*given, **options):
        raise ValueError("coordinator_address should be defined.\nMore lines.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(
        ConfigError, match=r"distributed \(True\) must connect .*: coordinator_address should"
    ):
        processes.start(None, None, None, True)


def test_processes_with_different_options_are_rejected(monkeypatch):
    processes.require_same({"gamma": 0.9})
    digests = []
    monkeypatch.setattr(processes, "gather", lambda digest: digests.append(digest) or digest)
    processes.require_same({"gamma": 0.9})
    monkeypatch.setattr(processes, "gather", lambda digest: np.concatenate([digests[0], digest]))
    processes.require_same({"gamma": 0.9})
    with pytest.raises(RunError, match=r"--process-id \(1\) must be given the same options"):
        processes.require_same({"gamma": 0.5})


def test_one_process_is_a_group_of_its_own():
    processes.start(None, None, None, False)
    processes.start("h:1", 1, 0, False)
    assert (processes.index(), processes.count()) == (0, 1)
    np.testing.assert_array_equal(processes.gather(np.arange(3)), np.arange(3))


def test_shards_are_consecutive_agents(monkeypatch):
    agents = Population(range(6), {"gamma": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]})
    monkeypatch.setattr(processes, "_group", processes.ProcessGroup(index=1, count=3))
    shard = processes.shard(agents)
    assert list(shard.seeds) == [2, 3] and shard.hyperparameters == {"gamma": [0.2, 0.3]}
