"""The checkpoints of a run: which are kept, slow and full disks."""

import contextlib
import threading

import jax
import jax.numpy as jnp
import pytest
from helpers.checkpoint_runs import STATE, numbered, open_checkpoints, restored, row, rows, write
from helpers.training import equal

from jaxdqn.runs import checkpoint_file, leaves


def test_restores_the_newest_state_and_its_rows(tmp_path):
    chunk, state, log = restored(write(tmp_path, 1, 2))
    assert chunk == 2 and log == rows(2)
    assert equal(state, numbered(2))


def test_keeps_the_latest_checkpoints_and_the_best(tmp_path):
    log = []
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        for chunk, value in enumerate([1.0, 9.0, 3.0, 4.0, 5.0], start=1):
            log.append(row(chunk, value))
            checkpoints.save(chunk, STATE, log)
            checkpoints.wait()
    assert checkpoints.chunks() == [2, 4, 5]


def test_keeps_a_checkpoint_ahead_of_the_log(tmp_path):
    (tmp_path / "7").mkdir()
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints.save(3, STATE, [row(3)])
    assert checkpoints.chunks() == [3, 7]


def test_a_slow_disk_gets_fewer_checkpoints_and_delays_nothing(tmp_path, monkeypatch):
    """Nothing is written before `ready`; the state is donated in the meantime."""
    ready, save = threading.Event(), checkpoint_file.ocp.save

    def slow(*args, **kwargs):
        assert ready.wait(60)
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoint_file.ocp, "save", slow)
    change = jax.jit(lambda state: state | {"count": state["count"] + 1}, donate_argnums=0)
    state = jax.tree.map(jnp.copy, numbered(1))
    with open_checkpoints(tmp_path) as checkpoints:
        for chunk in (1, 2, 3):
            checkpoints.save(chunk, state, rows(chunk))
            state = change(state)
        ready.set()
        checkpoints.wait()
        checkpoints.save(4, state, rows(4))
    assert checkpoints.chunks() == [1, 4]
    assert equal(restored(tmp_path)[1], numbered(4))


def test_a_save_of_one_process_uses_no_device(tmp_path):
    """A copy to a CPU device can wait for the chunk that runs there."""
    host = leaves.on_host(numbered(1))
    with jax.transfer_guard_host_to_device("disallow_explicit"):
        checkpoint_file.save(tmp_path / "1", host, rows(1))
    assert equal(restored(tmp_path)[1], numbered(1))


def test_a_failed_save_raises_in_wait(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise ValueError("RESOURCE: no space\nand many more lines")

    monkeypatch.setattr(checkpoint_file.ocp, "save", full)
    line = r"1 could not be saved: ValueError: RESOURCE: no space$"
    with pytest.raises(OSError, match=line), open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, STATE, rows(1))
        checkpoints.wait()
    assert checkpoints.chunks() == []


@pytest.mark.parametrize("failures", [1, 2])
def test_a_save_that_timed_out_is_tried_once_more(tmp_path, monkeypatch, failures):
    """As after minutes in which the machine was suspended."""
    save, calls = checkpoint_file.ocp.save, []

    def suspended(*args, **kwargs):
        calls.append(args)
        if len(calls) <= failures:
            raise TimeoutError("no signal")
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoint_file.ocp, "save", suspended)
    failed = pytest.raises(OSError, match=r"1 could not be saved: TimeoutError: no signal")
    with failed if failures == 2 else contextlib.nullcontext(), open_checkpoints(tmp_path) as saved:
        saved.save(1, numbered(1), rows(1))
        saved.wait()
    assert len(calls) == 2
    assert failures == 2 or equal(restored(tmp_path)[1], numbered(1))
