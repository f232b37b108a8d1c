"""The replication: its table, files, figure and options."""

import csv
import sys

import jax
import numpy as np
import pytest

from experiments.wobble import groups, replicate, replicate_figure
from jaxdqn.config import ConfigError
from jaxdqn.runs import cli

# Two seeds, ten episodes, evaluations after the fifth and the tenth.
RESULT = replicate.Result(
    train_return=np.array([[9.0] * 8 + [10.0, 30.0], [9.0] * 8 + [50.0, 50.0]]),
    eval_return=np.array([[480.0, 100.0], [20.0, 500.0]]),
    env_steps=np.array([112, 172]),
)


def test_the_table_summarises_the_last_fifth():
    line = replicate.summary("student", RESULT)
    # Means 20 and 50, deviations 10 and 0, interpolated to the quantiles.
    assert line["training, last 2 episodes: mean"] == "35 (23 to 47)"
    assert line["standard deviation"] == "5 (1 to 9)"
    assert line["greedy at the end"] == "300 (140 to 460)" and line["mean of seeds"] == "300"
    assert line["≥ 475"].startswith("1 of 2") and line["ever ≥ 475"].startswith("2 of 2")


def test_files_have_one_row_per_seed_and_per_episode(tmp_path):
    replicate.write(tmp_path, {"student": RESULT}, replicate.Args(seed=7, eval_interval=5))
    seeds = list(csv.DictReader((tmp_path / "seeds.csv").open()))
    assert [row["seed"] for row in seeds] == ["7", "8"]
    assert seeds[0] == {
        "version": "student",
        "seed": "7",
        "train_mean": "20.00",
        "train_deviation": "10.00",
        "eval_return": "100.00",
        "env_steps": "112",
    }
    episodes = list(csv.DictReader((tmp_path / "episodes.csv").open()))
    assert len(episodes) == 20
    assert [row["train_return"] for row in episodes[8:10]] == ["10", "30"]
    evaluated = [(row["seed"], row["episode"], row["eval_return"]) for row in episodes]
    assert [x for x in evaluated if x[2]] == [
        ("7", "5", "480.0"),
        ("7", "10", "100.0"),
        ("8", "5", "20.0"),
        ("8", "10", "500.0"),
    ]


@pytest.mark.parametrize(("num_seeds", "num_devices"), [(200, 2), (7, 2), (1, 4), (106, 4)])
def test_groups_are_equal_and_divide_evenly(num_seeds, num_devices):
    found = list(groups.groups_of(range(num_seeds), num_devices))
    assert [seed for group in found for seed in group] == list(range(num_seeds))
    assert len({len(group) for group in found}) == 1


def test_the_figure_shows_the_median_seed():
    # Means of the last fifth: 30, 10, 20.
    returns = np.zeros((3, 10)) + np.array([[30.0], [10.0], [20.0]])
    assert replicate_figure.typical(returns) == 2
    figure = replicate_figure.figure({"student": RESULT, "failing": RESULT}, eval_interval=5)
    left, right, *_ = figure.axes
    # The lower one of two seeds.
    np.testing.assert_array_equal(left.lines[0].get_ydata(), RESULT.train_return[0])
    np.testing.assert_array_equal(right.lines[-1].get_xdata(), [5, 10])
    np.testing.assert_array_equal(right.lines[-1].get_ydata(), RESULT.eval_return[0])
    assert len(figure.axes) == 4


def test_the_moving_average_by_hand():
    found = replicate_figure.moving_average(np.array([1.0, 3.0, 5.0, 10.0]), window=2)
    np.testing.assert_allclose(found, [1, 2, 4, 7.5])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0"], "--seeds (0) must be at least 1."),
        (["--seed", "-1"], "--seed (-1) must be at least 0."),
        (
            ["--eval-interval", "30"],
            "--eval-interval (30) must divide the number of episodes (500).",
        ),
        (["--buffer-size", "1999"], "--buffer-size (1999) must be at least 2000."),
        (["--learning-rate", "0"], "--learning-rate (0.0) must be above 0 and finite."),
        (["--draw", "cauchy"], "invalid choice 'cauchy'"),
    ],
)
def test_an_invalid_option_is_one_line(monkeypatch, capsys, tmp_path, options, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["replicate.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(replicate.Args, replicate.main)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and line in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_options_are_checked_before_jax_is_configured():
    with pytest.raises(ConfigError):
        replicate.main(replicate.Args(episodes=0))


@pytest.mark.slow
def test_a_quick_run_writes_table_files_and_figure(tmp_path, capsys):
    args = replicate.Args(quick=True, versions=("failing",), out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        replicate.main(args)
    assert "| failing |" in capsys.readouterr().out
    assert len(list(csv.DictReader((tmp_path / "seeds.csv").open()))) == 4
    assert (tmp_path / "replicate.png").stat().st_size > 10_000
