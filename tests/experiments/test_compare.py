"""Comparison of the agents: every agent trains, seeds are trained once, the table is right."""

import csv
import dataclasses
import json
import os
import signal

import jax
import numpy as np
import pytest
from helpers import runner
from PIL import Image

from experiments import compare
from experiments.results import trainings
from jaxdqn import recipes, training
from jaxdqn.recipes import AGENTS
from jaxdqn.runs import experiment, logs, prepared
from jaxdqn.runs.errors import RunError

SMALL = {"features": (8,), "channels": (2,), "num_envs": 8}
REPLAY = {"buffer_size": 800, "learning_starts": 80, "batch_size": 16}


def small_trainer(name):
    """A recipe of images with a small network, and its trainer."""
    recipe = recipes.find("Breakout-MinAtar", name)
    numbers = SMALL | (REPLAY if recipe.algorithm.replay else {})
    recipe = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, **numbers))
    return recipe, recipe.trainer(total_steps=5_000)


@pytest.mark.parametrize("name", AGENTS)
def test_the_training_of_every_agent_on_images_has_the_right_shapes(name):
    """Traced, not compiled; losses on images are computed in `test_agents.py`."""
    recipe, trainer = small_trainer(name)
    with jax.debug_key_reuse(False):
        start = jax.eval_shape(trainer.init, jax.random.key(0))
        end, metrics = jax.eval_shape(lambda state: training.run(trainer, state, 5), start)
    assert jax.tree.structure(end) == jax.tree.structure(start)
    assert metrics.loss.shape == (5,)
    q = jax.eval_shape(recipe.agent().q_values, trainer.params(end), start.actor.obs)
    assert q.shape == (8, recipe.env.num_actions)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dqn", "rainbow", "iqn", "pqn"])
def test_agents_train_on_images(name):
    """A few iterations: finite losses and parameters that move."""
    _, trainer = small_trainer(name)
    with jax.debug_key_reuse(False):
        start = jax.jit(trainer.init)(jax.random.key(0))
        end, metrics = jax.jit(lambda state: training.run(trainer, state, 5))(start)
    assert np.all(np.isfinite(metrics.loss)) and np.all(metrics.num_updates > 0)
    before, after = (jax.tree.leaves(trainer.params(state)) for state in (start, end))
    assert any(np.any(x != y) for x, y in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dqn", "pqn"])
def test_a_seed_has_the_numbers_of_train_py_to_the_bit(tmp_path, agent):
    """Of the policy, the returns and the curve, alone in `train.py` and as one of two here."""
    steps = 4_000
    options = experiment.EnvArgs(
        agent=agent, steps=steps, seed=4, run_dir=tmp_path / "alone", quiet=True
    )
    args = compare.Args(agents=(agent,), steps=steps, seeds=2, seed=3, repeats=0, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        experiment.train(options)
        compare.main(args)
    together = tmp_path / f"CartPole-v1-{agent}-{steps}-3-4"
    for name in ("final.npz", "best.npz"):
        alone, both = (np.load(path / "policy" / name) for path in (tmp_path / "alone", together))
        assert alone.files == both.files
        for array in alone.files:
            np.testing.assert_array_equal(alone[array][0], both[array][1])
    alone, both = (
        [json.loads(line)["eval_return"] for line in (path / "metrics.jsonl").open()]
        for path in (tmp_path / "alone", together)
    )
    assert [row[0] for row in alone] == [row[1] for row in both]
    assert len(alone) >= 2
    (row,) = (row for row in csv.DictReader((tmp_path / "agents.csv").open()) if row["seed"] == "4")
    assert row["final_return"] == f"{alone[-1][0]:.4f}"
    assert row["best_return"] == f"{max(row[0] for row in alone):.4f}"
    assert trainings.curve_of(row)[1] == pytest.approx([x for (x,) in alone], rel=1e-3)


@pytest.mark.slow
def test_a_stopped_comparison_continues_where_it_was(tmp_path, monkeypatch):
    def write(log, chunk, report, before=logs.Log.write):
        os.kill(os.getpid(), signal.SIGTERM)
        return before(log, chunk, report)

    args = compare.Args(agents=("dqn",), steps=12_000, seeds=2, seed=3, repeats=0)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        monkeypatch.setattr(logs.Log, "write", write)
        with pytest.raises(RunError, match=r"SIGTERM: stopped and saved .* The same command"):
            compare.main(dataclasses.replace(args, out=tmp_path / "stopped"))
        monkeypatch.undo()
        assert not (tmp_path / "stopped" / "agents.csv").exists()
        for name in ("stopped", "whole"):
            compare.main(dataclasses.replace(args, out=tmp_path / name))
    stopped, whole = (
        list(csv.DictReader((tmp_path / name / "agents.csv").open()))
        for name in ("stopped", "whole")
    )
    # The time before the stop is not known, so that no time is claimed.
    assert len(stopped) == 2 and stopped == [row | {"seconds": ""} for row in whole]
    assert all(float(row["seconds"]) > 0 for row in whole)
    assert not list(tmp_path.glob("*/*/checkpoints"))


@pytest.mark.slow
def test_an_agent_that_diverges_has_the_lowest_returns_and_is_not_repeated(tmp_path, monkeypatch):
    recipe = recipes.find("CartPole-v1")
    numbers = {"learning_rate": 1e37, "adam_epsilon": 1e-30, "max_grad_norm": 1e37}
    config = dataclasses.replace(recipe.config, **numbers)
    recipe = dataclasses.replace(recipe, config=config, steps=3_000)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        found = trainings.train(recipe, [3, 7], tmp_path)
        monkeypatch.setattr(prepared, "prepare", None)
        assert trainings.train(recipe, [3, 7], tmp_path) == found
    assert [row["seed"] for row in found] == ["3", "7"]
    assert all(float(row["final_return"]) < -1e38 for row in found)


@pytest.mark.slow
def test_it_writes_table_and_picture_and_trains_no_seed_twice(tmp_path, capsys):
    args = compare.Args(agents=("dqn",), steps=2_000, seeds=2, seed=3, repeats=0, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        compare.main(args)
        first = capsys.readouterr().out
        compare.main(args)
    assert first.startswith("CartPole-v1, dqn, 2000: ") and "| dqn |" in first
    # Nothing was trained the second time: only the table is printed.
    assert not capsys.readouterr().out.startswith("CartPole-v1, dqn")
    rows = list(csv.DictReader((tmp_path / "agents.csv").open()))
    assert [row["seed"] for row in rows] == ["3", "4"]
    assert (tmp_path / "agents.png").stat().st_size > 1_000


def test_the_panel_that_compares_agents_needs_more_than_one(tmp_path):
    rows = [
        {"agent": agent, "seed": seed, "curve": f"100:{seed} 200:9"}
        for agent in ("dqn", "c51")
        for seed in ("3", "4")
    ]
    compare.picture(tmp_path / "one.png", "CartPole-v1", rows[:2], 475.0)
    compare.picture(tmp_path / "two.png", "CartPole-v1", rows, None)
    one, two = (Image.open(tmp_path / f"{name}.png").size for name in ("one", "two"))
    assert two == (2 * one[0], one[1])


def test_the_title_of_a_long_name_is_inside_the_picture(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(compare.plots, "save", lambda figure, path: figures.append(figure))
    rows = [{"agent": "dqn", "seed": str(seed), "curve": "10:1 20:2"} for seed in (1, 2)]
    compare.picture(tmp_path / "a.png", "minatar-paper/SpaceInvaders", rows, None)
    (figure,) = figures
    figure.draw_without_rendering()
    box = figure.axes[0].title.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_the_seconds_of_an_agent_are_those_of_undisturbed_trainings():
    rows = [
        {"agent": agent, "seconds": seconds, "hardware": hardware}
        for agent, seconds, hardware in (
            ("dqn", "4.0", "2 CPU cores"),
            ("dqn", "", "1 CPU core"),
            ("dqn", "6.0", "2 CPU cores"),
            ("pqn", "", "1 CPU core"),
        )
    ]
    assert compare.seconds("dqn", rows) == "5 (2 CPU cores)"
    assert compare.seconds("pqn", rows) == "–"


def test_the_counts_in_a_line_of_the_table():
    rows = [
        {"agent": "dqn", "seed": str(i), "final_return": f, "best_return": "500"}
        for i, f in enumerate(["474.9", "475.0", "500.0", "399.0"])
    ]
    line = compare.summary("dqn", rows, solved_at=475.0)
    assert line["≥ 475"] == "2 of 4 (15–85 %)"
    assert line["final: median (minimum to maximum)"] == "474.9 (399 to 500)"
    assert "≥ 475" not in compare.summary("dqn", rows, solved_at=None)


def test_curves_of_other_intervals_are_interpolated(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(compare.plots, "save", lambda figure, path: figures.append(figure))
    rows = [
        {"agent": "dqn", "seed": "1", "curve": "100:1 200:2 300:9"},
        {"agent": "dqn", "seed": "2", "curve": "100:3 300:7"},
    ]
    compare.picture(tmp_path / "a.png", "CartPole-v1", rows, None)
    line = figures[0].axes[0].lines[0]
    assert list(line.get_xdata()) == [100, 200, 300] and list(line.get_ydata()) == [2, 3.5, 8]


def test_environment_steps_have_ticks_with_their_unit(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(compare.plots, "save", lambda figure, path: figures.append(figure))
    rows = [{"agent": "dqn", "seed": "1", "curve": "500000:1 10000000:2"}]
    compare.picture(tmp_path / "a.png", "snake", rows, None)
    figures[0].draw_without_rendering()
    labels = [label.get_text() for label in figures[0].axes[0].get_xticklabels()]
    assert "2M" in labels and "10M" in labels


def test_no_agent_gets_one_line():
    code, out, err = runner.run("compare.py", "--agents")
    assert (code, out) == (2, "") and err.startswith("error: --agents () must name at least one")
