"""Stop requests and resumption: a run that was stopped equals one that was not."""

import dataclasses
import json
import os
import signal

import jax
import pytest
from helpers.loop_run import (
    PLAN,
    evaluate,
    files_equal,
    interrupt_after,
    rows,
    train,
)
from helpers.training import TRAINER, chain_trainer, equal

from jaxdqn.runs import compilation, loop
from jaxdqn.runs.errors import DAMAGED, Interrupted, RunError
from jaxdqn.training import population
from jaxdqn.training.population import Population

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("chunk", [1, 2])
def test_a_stopped_and_resumed_run_equals_an_undisturbed_one(
    undisturbed, tmp_path, monkeypatch, chunk, signal_number
):
    with monkeypatch.context() as patch:
        interrupt_after(patch, chunk, signal_number)
        with pytest.raises(
            Interrupted, match=rf"saved at {80 + 80 * chunk} environment steps"
        ) as stop:
            train(tmp_path)
    assert stop.value.exit_code == 128 + signal_number
    assert len(rows(tmp_path)) == chunk
    result, params = train(tmp_path, resume=True)
    run_dir, expected, expected_params = undisturbed
    assert rows(tmp_path) == rows(run_dir)
    assert files_equal(tmp_path, run_dir, "episodes.csv")
    assert equal(params, expected_params) and result.final_return == expected.final_return


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_a_run_resumes_on_another_number_of_devices(tmp_path, monkeypatch, before, after):
    plan = dataclasses.replace(PLAN, agents=Population([3, 4, 5, 6]))
    layouts = {n: population.layout(4, jax.devices()[:n]) for n in (before, after)}

    def train_on(run_dir, num_devices, **options):
        return loop.train(
            lambda _: TRAINER, evaluate, plan, layouts[num_devices], run_dir, quiet=True, **options
        )

    for name in ("same", "moved"):
        (tmp_path / name).mkdir()
    train_on(tmp_path / "same", before)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            train_on(tmp_path / "moved", before)
    train_on(tmp_path / "moved", after, resume=True)
    assert rows(tmp_path / "moved") == rows(tmp_path / "same")


@pytest.mark.parametrize("damage", ["ahead", "truncated", "empty"])
def test_metrics_have_each_chunk_once_after_resume(undisturbed, tmp_path, monkeypatch, damage):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            train(tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    text = metrics.read_text()
    third = json.dumps(rows(tmp_path)[-1] | {"chunk": 3, "env_steps": 320})
    metrics.write_text(
        {"ahead": text + third + "\n", "truncated": text + third[:20], "empty": ""}[damage]
    )
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(undisturbed[0])


def test_a_run_without_checkpoints_resumes_from_the_start(undisturbed, tmp_path):
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(undisturbed[0])


def test_a_signal_during_compilation_stops_after_the_first_chunk(
    undisturbed, tmp_path, monkeypatch
):

    def compile_and_interrupt(*args, compile_chunks=compilation.compile_chunks):
        os.kill(os.getpid(), signal.SIGINT)
        return compile_chunks(*args)

    with monkeypatch.context() as patch:
        patch.setattr(compilation, "compile_chunks", compile_and_interrupt)
        with pytest.raises(Interrupted, match="saved at 160 environment steps"):
            train(tmp_path)
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(undisturbed[0])


def test_resuming_a_finished_run_changes_nothing(undisturbed, tmp_path):
    train(tmp_path)
    before = rows(tmp_path)
    result, _ = train(tmp_path, resume=True)
    assert rows(tmp_path) == before and result.final_return == undisturbed[1].final_return


def test_a_damaged_checkpoint_is_skipped_for_the_one_before(undisturbed, tmp_path, capsys):
    train(tmp_path)
    newest = tmp_path / "checkpoints" / "3"
    for file in newest.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:3])
    train(tmp_path, resume=True)
    assert "checkpoints/3 cannot be used" in capsys.readouterr().err
    assert rows(tmp_path) == rows(undisturbed[0])


def test_no_usable_checkpoint_is_an_error(tmp_path):
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    with pytest.raises(RunError, match="holds no usable checkpoint") as error:
        train(tmp_path, resume=True)
    assert error.value.exit_code == DAMAGED


def test_a_checkpoint_with_another_buffer_size_is_rejected(undisturbed, tmp_path):
    train(tmp_path)
    other = chain_trainer(buffer_size=1_000)
    with pytest.raises(
        RunError, match=r"buffer.words is uint32\[2, 500, 4, 14\], not uint32\[2, 250, 4, 14\]"
    ):
        train(tmp_path, trainer=other, resume=True)
