"""Process groups: results identical to one process, exits, and options that are rejected."""

import json
import os
import re
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

SHORT = (
    *runner.SMALL, "--steps", 6_200, "--seeds", 4, "--seed", 7, "--checkpoint-interval", 1,
)  # fmt: skip


def free_port():
    with socket.socket() as test:
        test.bind(("127.0.0.1", 0))
        return test.getsockname()[1]


def start(run_dir, *options, count=2):
    """Starts all processes of a run."""
    address = f"127.0.0.1:{free_port()}"
    return [
        runner.start(
            "cartpole.py", *SHORT, "--run-dir", run_dir, "--quiet", "--devices", 1,
            "--coordinator", address, "--num-processes", count, "--process-id", i, *options,
        )
        for i in range(count)
    ]  # fmt: skip


def finish(process):
    """Exit code, stdout and stderr without the lines of Gloo, the library of JAX for collectives.

    Its threads write at the same time, so that the beginning of a line can be missing.
    """
    code, out, err = runner.finish(process)
    of_gloo = r".*(\[Gloo\]|connected peer ranks).*\n"
    return code, re.sub(of_gloo, "", out), re.sub(of_gloo, "", err)


def lines(run_dir):
    path = run_dir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_chunk(running, run_dir, chunk):
    while len(lines(run_dir)) < chunk:
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


def same(run_dir, alone):
    """Whether two runs have the same metrics, result, policies and episodes."""
    names = "policy/final.npz", "policy/best.npz", "episodes.csv"
    equal = [(run_dir / x).read_bytes() == (alone / x).read_bytes() for x in names]
    return lines(run_dir) == lines(alone) and results(run_dir) == results(alone) and all(equal)


@pytest.mark.slow
def test_two_processes_are_bit_identical_to_one_and_share_its_directory(alone, tmp_path):
    for process in start(tmp_path):
        assert finish(process) == (0, "", "")
    assert same(tmp_path, alone)
    assert {x.name for x in tmp_path.iterdir()} == {x.name for x in alone.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_kill_ends_the_others_and_one_process_resumes_the_run_of_two(alone, tmp_path, victim):
    running = start(tmp_path)
    wait_for_chunk(running, tmp_path, 3)
    os.kill(running[victim].pid, signal.SIGKILL)
    killed = time.monotonic()
    code, out, err = finish(running[1 - victim])
    assert time.monotonic() - killed < 60 and out == ""
    # JAX ends a process that has lost another if no collective has failed before; jax 0.7 with code 1.
    assert code in (PROCESS_EXITED, -signal.SIGABRT, 1) and "Traceback" not in err, err
    assert "another process of the run has exited (" in err or "another task died" in err
    runner.finish(running[victim])
    assert len(lines(tmp_path)) < len(lines(alone))
    options = *SHORT, "--run-dir", tmp_path, "--quiet", "--resume"
    assert runner.run("cartpole.py", *options)[0] == 0
    assert same(tmp_path, alone)


@pytest.mark.slow
def test_a_stop_request_stops_two_processes_and_four_resume_the_run(alone, tmp_path):
    running = start(tmp_path)
    wait_for_chunk(running, tmp_path, 1)
    running[1].send_signal(signal.SIGTERM)
    for process in running:
        code, _, err = finish(process)
        assert code == 143 and f"--run-dir {tmp_path} " in err and err.count("\n") == 1
    assert len(lines(tmp_path)) < len(lines(alone))
    for process in start(tmp_path, "--resume", count=4):
        code, _, err = finish(process)
        assert code == 0, err
    assert same(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            (("--seeds", 3),) * 2,
            "--num-processes (2) must be a divisor of the number of agents (3).",
        ),
        (
            ((), ("--config.gamma", "0.9")),
            "--process-id (1) must be given the same options and versions as process 0; "
            "it has config.gamma 0.9, not 0.996.",
        ),
    ],
)
def test_wrong_options_end_all_processes_with_one_line(tmp_path, given, line):
    address = f"127.0.0.1:{free_port()}"
    common = (
        "--quiet",
        "--run-dir",
        tmp_path / "run",
        "--coordinator",
        address,
        "--num-processes",
        2,
    )
    running = [
        runner.start("cartpole.py", *SHORT, *common, "--process-id", i, *own)
        for i, own in enumerate(given)
    ]
    for process in running:
        assert finish(process) == (2, "", f"error: {line}\n")
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


def test_one_process_is_a_group_of_its_own():
    processes.start(None, None, None, False)
    processes.start("h:1", 1, 0, False)
    processes.require_same({"gamma": 0.9})
    processes.require_shared(None)
    assert (processes.index(), processes.count()) == (0, 1)
    np.testing.assert_array_equal(processes.gather(np.arange(3)), np.arange(3))
