"""The host loop: what it writes, how it stops, how it goes on. In this process, on the chain."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner
from helpers.envs import chain
from helpers.training import TRAINER, chain_trainer, equal

from jaxdqn import agents, evaluation, networks, policies
from jaxdqn.config import ConfigError
from jaxdqn.runs import checkpoint, logs, loop, plots, policy_file
from jaxdqn.runs.errors import DAMAGED, DIVERGED, Interrupted, RunError
from jaxdqn.training import Metrics, population
from jaxdqn.training.population import Population
from jaxdqn.training.session import Report

# 30 iterations of 8 world steps: chunks of 10, 10, 10.
SHAPE = {"learning_starts": 80, "iteration_steps": 8}
MEMBERS = Population([3, 4])
PLAN = loop.Plan(MEMBERS, total_steps=320, eval_interval=80, checkpoint_interval=2, **SHAPE)
POLICY = policies.greedy(agents.dqn(networks.MLP(2, features=())).q_values)
EVAL_ENV = chain(num_envs=6, time_limit=4)


@pytest.fixture(autouse=True)
def _no_false_alarm():
    with jax.debug_key_reuse(False):
        yield


def evaluate(key, params):
    return evaluation.evaluate(key, params, EVAL_ENV, POLICY)


def train(run_dir, plan=PLAN, trainer=TRAINER, **options):
    layout = population.layout(len(plan.members))
    return loop.train(
        lambda settings: trainer, evaluate, plan, layout, run_dir, quiet=True, **options
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    run_dir = tmp_path_factory.mktemp("whole")
    with jax.debug_key_reuse(False):
        result, params = train(run_dir)
    return run_dir, result, params


def interrupt_after(monkeypatch, chunk, signal_number=signal.SIGTERM):
    """This process gets a signal while it writes down `chunk`."""
    write = logs.Log.write

    def write_and_interrupt(self, row):
        write(self, row)
        if row["chunk"] == chunk:
            os.kill(os.getpid(), signal_number)

    monkeypatch.setattr(logs.Log, "write", write_and_interrupt)


def rows(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_a_plan_counts_its_chunks_and_their_lengths():
    plan = loop.Plan(
        Population([0]), total_steps=300, eval_interval=80, checkpoint_interval=2, **SHAPE
    )
    # (300 - 80) / 8 = 27 whole iterations: 10, 10 and 7.
    assert (plan.num_iterations, plan.num_chunks) == (27, 3)
    assert [plan.length(chunk) for chunk in (1, 2, 3)] == [10, 10, 7]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"eval_interval": 7}, r"eval_interval \(7\) must hold one iteration.*\(8\)"),
        ({"checkpoint_interval": 0}, r"checkpoint_interval \(0\) must be at least 1"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(choice, message):
    with pytest.raises(ConfigError, match=message):
        loop.check(
            loop.Plan(
                MEMBERS, 320, **SHAPE, **{"eval_interval": 80, "checkpoint_interval": 2} | choice
            )
        )


def test_the_run_directory_holds_what_the_readme_says(whole):
    run_dir, _, _ = whole
    names = {path.name for path in run_dir.iterdir()}
    expected = {"checkpoints", "policy", "tensorboard", "metrics.jsonl", "curve.png", "result.json"}
    assert expected == names
    assert list((run_dir / "tensorboard").glob("events*"))


def test_metrics_have_a_line_a_chunk_and_a_value_a_seed(whole):
    run_dir, result, _ = whole
    lines = rows(run_dir)
    assert [line["chunk"] for line in lines] == [1, 2, 3]
    assert [line["env_steps"] for line in lines] == [160, 240, 320]
    assert [line["updates"] for line in lines] == [20, 40, 60]
    for line in lines:
        assert line["epsilon"] == 1.0
        assert all(len(line[name]) == 2 for name in ("loss", "train_return", "eval_return"))
    written = json.loads((run_dir / "result.json").read_text())
    assert written["final_return"] == lines[-1]["eval_return"] == result.final_return
    assert written["best_return"] == [max(line["eval_return"][s] for line in lines) for s in (0, 1)]
    assert written["seeds"] == [3, 4] and written["seconds"].keys() == {
        "import",
        "compile",
        "save",
        "run",
    }


def test_the_policy_is_the_best_seeds_best(whole):
    run_dir, result, params = whole
    assert result.policy_seed == result.seeds[int(np.argmax(result.best_return))]
    assert equal(policy_file.load_policy(run_dir / "policy", params), params)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("chunk", [1, 2])
def test_stopped_and_resumed_is_never_stopped(whole, tmp_path, monkeypatch, chunk, signal_number):
    with monkeypatch.context() as patch:
        interrupt_after(patch, chunk, signal_number)
        with pytest.raises(Interrupted, match=rf"saved at {80 + 80 * chunk} world steps") as stop:
            train(tmp_path)
    assert stop.value.exit_code == 128 + signal_number
    assert len(rows(tmp_path)) == chunk
    result, params = train(tmp_path, resume=True)
    run_dir, undisturbed, other_params = whole
    assert rows(tmp_path) == rows(run_dir)
    assert equal(params, other_params) and result.final_return == undisturbed.final_return


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_a_run_goes_on_over_another_number_of_devices(tmp_path, monkeypatch, before, after):
    plan = dataclasses.replace(PLAN, members=Population([3, 4, 5, 6]))
    layouts = {n: population.layout(4, jax.devices()[:n]) for n in (before, after)}

    def train_on(run_dir, num_devices, **options):
        return loop.train(
            lambda _: TRAINER, evaluate, plan, layouts[num_devices], run_dir, quiet=True, **options
        )

    for name in ("whole", "moved"):
        (tmp_path / name).mkdir()
    train_on(tmp_path / "whole", before)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            train_on(tmp_path / "moved", before)
    train_on(tmp_path / "moved", after, resume=True)
    assert rows(tmp_path / "moved") == rows(tmp_path / "whole")


def test_the_program_of_a_chunk_on_eight_devices_has_no_collective():
    """Evaluation and all: members know nothing of each other."""
    plan = dataclasses.replace(PLAN, members=Population(range(16)))
    layout = population.layout(16, jax.devices()[:8])
    sessions = loop.start(lambda _: TRAINER, layout)(plan.members.keys(), {})
    programs = loop.compile_chunks(lambda _: TRAINER, evaluate, plan, layout, sessions, {})
    text = programs[10].as_text()
    collective = r"(all-reduce|all-gather|all-to-all|reduce-scatter|permute|send|recv)(-start)?\("
    assert "num_partitions=8" in text and not re.search(collective, text)


def test_a_second_sigint_ends_at_once():
    """In a process of its own: it dies."""
    script = (
        "import os, signal, time\n"
        "from jaxdqn.runs.signals import stop_request\n"
        "with stop_request() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stop.signal_number == signal.SIGTERM\n"
        "    os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=runner.ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (130, b"\nerror: stopped at once.\n")


def test_signals_are_given_back_after_the_run(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("damage", ["ahead", "torn", "gone"])
def test_metrics_have_each_chunk_once_after_resume(whole, tmp_path, monkeypatch, damage):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            train(tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    text = metrics.read_text()
    third = json.dumps(rows(tmp_path)[-1] | {"chunk": 3, "env_steps": 320})
    metrics.write_text(
        {"ahead": text + third + "\n", "torn": text + third[:20], "gone": ""}[damage]
    )
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(whole[0])


def test_resumed_before_anything_was_saved_it_starts_afresh(whole, tmp_path):
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(whole[0])


def test_a_signal_before_the_first_chunk_is_answered_after_it(whole, tmp_path, monkeypatch):
    """So that there is something to go on with."""

    def compile_and_interrupt(*args, compile_chunks=loop.compile_chunks):
        os.kill(os.getpid(), signal.SIGINT)
        return compile_chunks(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "compile_chunks", compile_and_interrupt)
        with pytest.raises(Interrupted, match="saved at 160 world steps"):
            train(tmp_path)
    train(tmp_path, resume=True)
    assert rows(tmp_path) == rows(whole[0])


def test_parameters_lost_in_the_last_update_are_noticed(tmp_path):
    """Its loss was finite: it is that before the step."""

    def step(state):
        state, metrics = TRAINER.step(state)
        last = metrics.env_steps == 320
        params = jax.tree.map(lambda x: jnp.where(last, jnp.nan, x), state.learner.params)
        return state._replace(learner=state.learner._replace(params=params)), metrics

    with pytest.raises(RunError, match="no longer finite at world step 320"):
        train(tmp_path, trainer=TRAINER._replace(step=step))


def test_a_finished_run_resumed_is_finished(whole, tmp_path):
    train(tmp_path)
    before = rows(tmp_path)
    result, _ = train(tmp_path, resume=True)
    assert rows(tmp_path) == before and result.final_return == whole[1].final_return


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(whole, tmp_path, capsys):
    train(tmp_path)
    newest = tmp_path / "checkpoints" / "3"
    for file in newest.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:3])
    train(tmp_path, resume=True)
    assert "checkpoints/3 cannot be used" in capsys.readouterr().err
    assert rows(tmp_path) == rows(whole[0])


def test_no_usable_checkpoint_is_an_error(tmp_path):
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    with pytest.raises(RunError, match="holds no usable checkpoint") as error:
        train(tmp_path, resume=True)
    assert error.value.exit_code == DAMAGED


def test_a_checkpoint_of_another_network_is_refused(whole, tmp_path):
    train(tmp_path)
    other = chain_trainer(buffer_size=1_000)
    with pytest.raises(
        RunError, match=r"buffer.words is uint32\[2, 500, 4, 14\], not uint32\[2, 250, 4, 14\]"
    ):
        train(tmp_path, trainer=other, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint_before(tmp_path):
    def step(state):
        state, metrics = TRAINER.step(state)
        broken = state.env_steps >= 272
        return state, metrics._replace(loss=jnp.where(broken, jnp.nan, metrics.loss))

    plan = loop.Plan(
        Population([5]), total_steps=320, eval_interval=80, checkpoint_interval=1, **SHAPE
    )
    with pytest.raises(
        RunError, match="loss of seed 5 is no longer finite at world step 272"
    ) as error:
        train(tmp_path, plan, TRAINER._replace(step=step))
    assert error.value.exit_code == DIVERGED
    with checkpoint.Checkpoints(tmp_path / "checkpoints", 3, loop.score) as saves:
        # The second is left out where the disk is slower than a chunk.
        assert saves.chunks() in ([1], [1, 2])
    assert rows(tmp_path)[-1]["loss"] == [None]


def test_lost_parameters_make_a_lost_loss():
    """The last update's loss is that before its step: it can be a number where all else is NaN."""
    metrics = Metrics(*(jnp.ones((2, 3)) for _ in Metrics._fields))
    row = logs.row(1, Report(metrics, jnp.ones(2), finite=jnp.array([True, False])))
    assert row["loss"] == [1.0, None]


def test_one_that_is_lost_does_not_stop_the_others(whole, tmp_path):
    """Seed 4's loss is NaN from world step 200 on: in the chunk that ends at 240."""

    def make(settings):
        def step(state):
            state, metrics = TRAINER.step(state)
            broken = (state.env_steps >= 200) & settings["lost"].astype(bool)
            return state, metrics._replace(loss=jnp.where(broken, jnp.nan, metrics.loss))

        return TRAINER._replace(step=step)

    members = Population([3, 4], {"lost": [0.0, 1.0]})
    plan = loop.Plan(members, total_steps=320, eval_interval=80, checkpoint_interval=2, **SHAPE)
    layout = population.layout(2)
    result, _ = loop.train(make, evaluate, plan, layout, tmp_path, quiet=True)
    assert result.diverged == [None, 240] and result.settings == {"lost": [0.0, 1.0]}
    assert [row["loss"][0] for row in rows(tmp_path)] == [row["loss"][0] for row in rows(whole[0])]
    assert [row["loss"][1] is None for row in rows(tmp_path)] == [False, True, True]


def test_a_run_in_which_no_episode_ended_has_a_picture_too(tmp_path):
    row = {"env_steps": 16, "train_return": [None], "eval_return": [9.5]}
    plots.curve(tmp_path / "curve.png", [row])
    assert (tmp_path / "curve.png").stat().st_size > 1_000
