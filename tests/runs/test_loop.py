"""The host loop: files, hooks, layout and divergence, on the chain."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.loop_run import (
    AGENTS,
    PLAN,
    SHAPE,
    evaluate,
    rows,
    train,
)
from helpers.training import TRAINER, equal, image_recipe

from jaxdqn.runs import checkpoint, compilation, logs, loop, plots
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.plan import Plan
from jaxdqn.training import Episodes, Metrics, population
from jaxdqn.training.population import Population
from jaxdqn.training.session import Report

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


def test_the_run_directory_has_the_files_of_the_readme(undisturbed):
    run_dir, _, _ = undisturbed
    names = {path.name for path in run_dir.iterdir()}
    files = {"metrics.jsonl", "episodes.csv", "curve.png", "result.json"}
    assert {"checkpoints", "tensorboard"} | files == names
    assert list((run_dir / "tensorboard").glob("events*"))


def test_metrics_have_one_row_per_chunk_and_one_value_per_seed(undisturbed):
    run_dir, result, _ = undisturbed
    lines = rows(run_dir)
    assert [line["chunk"] for line in lines] == [1, 2, 3]
    assert [line["env_steps"] for line in lines] == [160, 240, 320]
    assert [line["updates"] for line in lines] == [20, 40, 60]
    for line in lines:
        assert line["epsilon"] == 1.0
        assert all(len(values) == 2 for values in line.values() if isinstance(values, list))
        assert {"td_error", "grad_norm", "q_value", "train_length", "eval_length"} <= line.keys()
    written = json.loads((run_dir / "result.json").read_text())
    assert written["final_return"] == lines[-1]["eval_return"] == result.final_return
    assert written["best_return"] == [max(line["eval_return"][s] for line in lines) for s in (0, 1)]
    assert written["seeds"] == [3, 4]
    assert written["seconds"].keys() == {"import", "compile", "save", "run"}


def test_policies_are_those_of_the_last_and_of_the_best_evaluation(tmp_path):
    found = []
    result, policies = train(tmp_path, save_policies=found.append)
    assert len(found) == 1 and equal(found[0], policies)
    with checkpoint.Checkpoints(tmp_path / "checkpoints", 3, loop.score) as checkpoints:
        layout = population.layout(2)
        sessions = compilation.start(lambda _: TRAINER, layout)(AGENTS.keys(), {})
        _, saved, _ = checkpoints.restore(sessions)
    assert equal(policies.final, saved.state.learner.params)
    assert equal(policies.best, saved.best_params)
    assert result.best_return == saved.best_return.tolist()


def test_snapshots_are_the_policy_of_the_first_agent_after_evaluations_1_2_4(tmp_path):
    """A snapshot after the last evaluation would be the final policy; here the last is the third."""
    for name in ("all", "two"):
        (tmp_path / name).mkdir()
    found = {}
    train(tmp_path / "all", save_snapshot=found.__setitem__)
    assert list(found) == [160, 240]
    plan = dataclasses.replace(PLAN, total_steps=240)
    _, policies = train(tmp_path / "two", plan)
    assert equal(found[240], jax.tree.map(lambda leaf: leaf[:1], policies.final))


def test_every_finished_episode_is_a_line_of_episodes(undisturbed):
    """On the chain an episode has return 1 if it ends before its limit of three steps."""
    run_dir, _, _ = undisturbed
    header, *lines = (run_dir / "episodes.csv").read_text().splitlines()
    assert header == "seed,env_steps,return,length"
    episodes = [tuple(map(float, line.split(","))) for line in lines]
    assert {seed for seed, *_ in episodes} == {3, 4}
    assert all(80 < steps <= 320 and steps % 4 == 0 for _, steps, _, _ in episodes)
    assert all(1 <= length <= 3 and (total == 1 or length == 3) for *_, total, length in episodes)
    for k, seed in enumerate((3, 4)):
        own = [episode for episode in episodes if episode[0] == seed]
        for row, after in zip(rows(run_dir), (160, 240, 320), strict=True):
            here = [e for e in own if after - 80 < e[1] <= after]
            assert len(here) == row["episodes"][k]
            np.testing.assert_allclose(np.mean([e[2] for e in here]), row["train_return"][k])
            np.testing.assert_allclose(np.mean([e[3] for e in here]), row["train_length"][k])


def test_episodes_are_bounded_with_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(logs, "MAX_EPISODES", 10)
    train(tmp_path)
    assert len((tmp_path / "episodes.csv").read_text().splitlines()) == 11
    assert capsys.readouterr().err == "warning: episodes.csv holds the first 10 episodes only.\n"
    train(tmp_path, resume=True)
    assert len((tmp_path / "episodes.csv").read_text().splitlines()) == 11


def test_hooks_see_every_row_and_one_that_fails_is_dropped_with_a_warning(tmp_path, capsys):
    seen, calls = [], []

    def fail(row):
        calls.append(row)
        raise KeyError("tracker")

    train(tmp_path, on_evaluation=[fail, seen.append])
    assert seen == rows(tmp_path) and len(calls) == 1
    assert capsys.readouterr().err == "warning: fail is not called again: KeyError: 'tracker'\n"


def test_extra_scalars_of_a_trainer_are_logged(tmp_path):
    def step(state):
        state, metrics = TRAINER.step(state)
        return state, metrics._replace(extra={"bias": 2.0 * metrics.epsilon})

    train(tmp_path, trainer=TRAINER._replace(step=step))
    assert [row["bias"] for row in rows(tmp_path)] == [[2.0, 2.0]] * 3


@pytest.mark.parametrize(
    "images", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["chain", "images"]
)
def test_the_program_of_a_chunk_on_eight_devices_has_no_collective(images):
    """Agents are independent, in training and evaluation."""
    recipe = image_recipe()
    trainer, play = (recipe.trainer(), recipe.evaluate(6)) if images else (TRAINER, evaluate)
    plan = dataclasses.replace(PLAN, agents=Population(range(16)))
    layout = population.layout(16, jax.devices()[:8])
    sessions = compilation.start(lambda _: trainer, layout)(plan.agents.keys(), {})
    programs = compilation.compile_chunks(lambda _: trainer, play, plan, layout, sessions, {})
    text = programs[10].as_text()
    collective = r"(all-reduce|all-gather|all-to-all|reduce-scatter|permute|send|recv)(-start)?\("
    assert "num_partitions=8" in text and not re.search(collective, text)


def test_parameters_that_diverge_in_the_last_update_are_an_error(tmp_path):
    """Its loss is finite: it precedes the step."""

    def step(state):
        state, metrics = TRAINER.step(state)
        last = metrics.env_steps == 320
        params = jax.tree.map(lambda x: jnp.where(last, jnp.nan, x), state.learner.params)
        return state._replace(learner=state.learner._replace(params=params)), metrics

    with pytest.raises(RunError, match="is not finite at environment step 320"):
        train(tmp_path, trainer=TRAINER._replace(step=step))


def test_a_non_finite_loss_stops_the_run_and_keeps_earlier_checkpoints(tmp_path):
    def step(state):
        state, metrics = TRAINER.step(state)
        broken = state.env_steps >= 272
        return state, metrics._replace(loss=jnp.where(broken, jnp.nan, metrics.loss))

    plan = Plan(Population([5]), total_steps=320, eval_interval=80, checkpoint_interval=1, **SHAPE)
    with pytest.raises(
        RunError, match="loss of seed 5 is not finite at environment step 272"
    ) as error:
        train(tmp_path, plan, TRAINER._replace(step=step))
    assert error.value.exit_code == DIVERGED
    with checkpoint.Checkpoints(tmp_path / "checkpoints", 3, loop.score) as checkpoints:
        # The second is omitted if the disk is slower than a chunk.
        assert checkpoints.chunks() in ([1], [1, 2])
    assert rows(tmp_path)[-1]["loss"] == [None]


def test_the_error_of_an_evaluation_is_that_of_the_mean_of_its_episodes(undisturbed):
    """On the chain a return is 0 or 1, so the mean p of 6 episodes has the error sqrt(p (1 - p) / (6 - 1))."""
    for line in rows(undisturbed[0]):
        p = np.array(line["eval_return"])
        np.testing.assert_allclose(line["eval_error"], np.sqrt(p * (1 - p) / 5), atol=1e-6)


def test_a_checkpoint_without_a_finite_return_has_the_lowest_score():
    assert loop.score({"eval_return": [1.0, None, 4.0]}) == 2.5
    assert loop.score({"eval_return": [None, None]}) == -np.inf


def test_non_finite_parameters_are_logged_as_no_loss():
    """The last loss precedes its step: it can be finite if all parameters are NaN."""
    ones, none = jnp.ones((2, 3)), jnp.zeros((2, 3, 1, 4), jnp.int32)
    metrics = Metrics(ones, ones, ones, ones, ones, ones, Episodes(1.0 * none, none))
    finite = jnp.array([True, False])
    row = logs.row(1, Report(metrics, *(jnp.ones(2) for _ in range(3)), finite, jnp.ones(2)))
    assert row["train_return"] == [None, None] and row["episodes"] == [0, 0]
    assert row["loss"] == [1.0, None]


def test_one_agent_that_diverges_does_not_stop_the_others(undisturbed, tmp_path):
    """The loss of seed 4 is NaN from environment step 200, in the chunk that ends at 240."""

    def make(hyperparameters):
        def step(state):
            state, metrics = TRAINER.step(state)
            broken = (state.env_steps >= 200) & hyperparameters["diverges"].astype(bool)
            return state, metrics._replace(loss=jnp.where(broken, jnp.nan, metrics.loss))

        return TRAINER._replace(step=step)

    pair = Population([3, 4], {"diverges": [0.0, 1.0]})
    plan = Plan(pair, total_steps=320, eval_interval=80, checkpoint_interval=2, **SHAPE)
    layout = population.layout(2)
    result, _ = loop.train(make, evaluate, plan, layout, tmp_path, quiet=True)
    assert result.diverged == [None, 240]
    assert result.hyperparameters == {"diverges": [0.0, 1.0]}
    assert [row["loss"][0] for row in rows(tmp_path)] == [
        row["loss"][0] for row in rows(undisturbed[0])
    ]
    assert [row["loss"][1] is None for row in rows(tmp_path)] == [False, True, True]


def test_a_run_without_a_finished_episode_has_a_curve(tmp_path):
    row = {"env_steps": 16, "train_return": [None], "eval_return": [9.5]}
    plots.curve(tmp_path / "curve.png", [row])
    assert (tmp_path / "curve.png").stat().st_size > 1_000
