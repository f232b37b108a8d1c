"""The study: training, storage and tables, from its options to its figures."""

import csv
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.results import rows
from experiments.wobble import measurements, parts, probes, run, store, student, tables
from experiments.wobble.default import default
from jaxdqn.config import ConfigError
from jaxdqn.runs import cli
from jaxdqn.runs.errors import DAMAGED, RunError


def test_the_normal_draw_changes_the_probability():
    recipe = parts.normal_draw(default(1_000))
    # ε falls from 1 to 0.05 within 0.45 of the steps: Φ(1) = 0.841, Φ(0.05) = 0.520.
    epsilon = recipe.algorithm.epsilon(recipe.config, recipe.steps)
    found = [float(epsilon(jnp.float32(steps))) for steps in (0, 450, 1_000)]
    np.testing.assert_allclose(found, [0.8413, 0.5199, 0.5199], atol=1e-4)


def test_repeated_policies_are_from_the_last_fifth_of_the_training():
    num = 500
    returns = np.full(num, 9.0, np.float32)
    found = measurements.last_policies(jnp.asarray(returns))
    # 250 policies, one for two episodes: ten of the last fifth, 200 to 249.
    np.testing.assert_array_equal(found, np.arange(204, 250, 5))
    returns[200:] = np.nan
    # 100 policies were trained: ten of 80 to 99.
    found = measurements.last_policies(jnp.asarray(returns))
    np.testing.assert_array_equal(found, np.arange(81, 100, 2))


def seed_row(seed, final_return=9.5):
    return store.row("seeds", ("student", seed, 100, final_return, 1.0, 2.0))


def test_rows_are_kept_once_and_floats_have_six_digits(tmp_path):
    store.append(tmp_path, "seeds", [seed_row(5, 1 / 3)])
    store.append(tmp_path, "seeds", [seed_row(6, 10.5)] * 2)
    assert [row["final_return"] for row in store.read(tmp_path, "seeds")] == ["0.333333", "10.5"]


def test_only_missing_seeds_are_trained(tmp_path, monkeypatch):
    trained = []

    def train(name, seeds, args):
        trained.append((name, list(seeds)))
        return [seed_row(seed) for seed in seeds]

    monkeypatch.setattr(run, "train", train)
    store.append(tmp_path, "seeds", [seed_row(2_001)])
    for _ in range(2):
        run.fill("seeds", "student", run.Args(seeds=3, out=tmp_path))
    assert trained == [("student", [2_000, 2_002])]
    assert {int(row["seed"]) for row in store.read(tmp_path, "seeds")} == {2_000, 2_001, 2_002}
    run.fill("seeds", "default", run.Args(seeds=1, seed=2_001, out=tmp_path))
    assert trained[1:] == [("default", [2_001])]


def test_measurements_are_written_before_the_seeds(tmp_path, monkeypatch):
    """So that an arm whose seeds are written is finished."""
    result = measurements.Results(
        np.array([[10, 20]]),
        np.array([[1.0, 2.0]]),
        probes.Measurement(*(np.zeros((1, 2)),) * 3, np.zeros((1, 2, 4)), np.zeros((1, 2))),
        np.array([[[1.0, 3.0], [4.0, 8.0]]]),
    )
    monkeypatch.setattr(run.groups, "train", lambda *args: iter([([7], result)]))
    found = run.train("student_fixed", [7], run.Args(out=tmp_path))
    assert found == [store.row("seeds", ("student_fixed", 7, 20, 2.0, 5.0, 5.5))]
    assert [row["measurement"] for row in store.read(tmp_path, "measurements")] == ["0", "1"]
    assert not store.path(tmp_path, "seeds").exists()


def test_rows_are_written_all_or_none(tmp_path, monkeypatch):
    store.append(tmp_path, "seeds", [seed_row(5)])
    before = (tmp_path / "seeds.csv").read_text()

    def fail(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(os, "replace", fail)
        store.append(tmp_path, "seeds", [seed_row(6)])
    assert (tmp_path / "seeds.csv").read_text() == before


@pytest.mark.parametrize(
    "damage",
    [b"", b"arm,seed\n", b"\xff\xfe", b"arm,seed,env_steps,final_return,exploration,policy\na,1\n"],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, damage):
    (tmp_path / "seeds.csv").write_bytes(damage)
    with pytest.raises(RunError, match=r"seeds.csv is damaged: its .* arm, seed,") as stop:
        store.read(tmp_path, "seeds")
    assert stop.value.exit_code == DAMAGED
    (tmp_path / "plan.json").write_bytes(damage)
    with pytest.raises(RunError, match=r"plan.json is damaged"):
        rows.create(tmp_path, {"steps": 1})


def test_an_arm_is_compared_on_common_seeds():
    rows = [
        {"arm": "default", "seed": "1", "final_return": "500"},
        {"arm": "default", "seed": "2", "final_return": "400"},
        {"arm": "default-gamma", "seed": "2", "final_return": "490"},
        {"arm": "default-gamma", "seed": "3", "final_return": "10"},
    ]
    assert tables.pairs(rows, "default-gamma") == ([490.0], [400.0])
    assert tables.pairs(rows, "default") is None


def test_an_arm_can_have_another_base():
    assert tables.base_of("default-huber-plain") == "default-huber"
    assert tables.base_of("student_fixed") == "student" and tables.base_of("default") == "default"


def test_another_plan_in_the_same_directory_is_refused(tmp_path):
    rows.create(tmp_path, {"steps": 30_000, "shape": (1, 2)})
    rows.create(tmp_path, {"steps": 30_000, "shape": (1, 2)})
    with pytest.raises(ConfigError, match="results of another steps; choose another --out"):
        rows.create(tmp_path, {"steps": 50_000})


def test_the_split_table_by_hand():
    made = [
        {
            "arm": "student",
            "seed": str(seed),
            "final_return": "1",
            "exploration": "90",
            "policy": "10",
        }
        for seed in range(3)
    ]
    line = tables.split_table(made).splitlines()[-1]
    # 90 of 100 are exploration noise; √90 and √10.
    assert "| 90 (90 to 90) | 9 | 3 |" in line
    assert tables.split_table([made[0] | {"arm": "default", "exploration": ""}]) == ""


def test_long_trainings_are_compared_seed_by_seed_in_any_order():
    made = [
        {
            "arm": arm,
            "seed": str(seed),
            "episode": str(episode),
            "train_return": str(10 * seed + episode + (5 if arm == "failing" else 0)),
            "eval_return": str(470 + seed),
        }
        for arm, seeds in (("student", (1, 9, 5)), ("failing", (9, 5)))
        for seed in seeds
        for episode in (1, 2)
    ]
    lines = tables.long_table(made).splitlines()
    assert "| 5 (5 to 5) |" in lines[-1] and "| 0 (0 to 0) |" in lines[-2]
    # Seeds 5 and 9 reach 475 and 479; seed 1 reaches 471.
    assert "2 of 3" in lines[-2] and "2 of 2" in lines[-1]


def test_churn_is_relative_to_the_previous_measurement():
    actions = np.array([[0, 0], [0, 1], [1, 1], [1, 1]])
    measurement = probes.Measurement(*(np.arange(4.0),) * 3, actions, np.arange(4.0))
    # The last measurement is after the end of the training and is left out.
    results = measurements.Results(np.array([10, 20, 30, 30]), np.arange(4.0), measurement, None)
    found = run.rows_of_measurements("x", 7, results)
    assert [row["measurement"] for row in found] == ["0", "1", "2"]
    assert [row["churn"] for row in found] == ["nan", "0.5", "0.5"]
    assert [row["terminal_share"] for row in found] == ["0", "1", "2"]


def test_a_policy_is_kept_after_every_second_episode():
    assert [measurements.last_episode(policy) for policy in (0, 1, 249)] == [1, 3, 499]


def test_the_last_evaluation_has_the_same_key_for_any_number_of_evaluations():
    keys = [
        jax.random.key_data(measurements.evaluation_keys(jax.random.key(3), n)) for n in (1, 25)
    ]
    np.testing.assert_array_equal(keys[0][-1], keys[1][-1])
    assert len(np.unique(keys[1], axis=0)) == 25


def test_measurements_do_not_change_the_training():
    plan = measurements.Plan(steps=2_300, episodes=60, eval_episodes=2)
    trainings = [
        measurements.student_training(student.failing(), plan, measured)
        for measured in (True, False)
    ]
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        measured, unmeasured = (jax.jit(x)(jax.random.key(0)) for x in trainings)
    np.testing.assert_array_equal(measured.repeated, unmeasured.repeated)
    assert measured.env_steps.shape == (6,) and unmeasured.measurement is None
    assert np.all(np.isfinite(measured.measurement.value))
    assert measured.env_steps[-1] == unmeasured.env_steps[-1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0"], "--seeds (0) must be at least 1."),
        (["--steps", "100"], "--steps (100) must be at least 2500."),
        (["--episodes", "55"], "--episodes (55) must be at least 100."),
        (["--long-episodes", "50"], "--long-episodes (50) must be a multiple of 20."),
        (["--long-seeds", "-1"], "--long-seeds (-1) must be at least 0."),
        (
            ["--arms", "student", "teacher"],
            "--arms (teacher) must be among student, student_fixed,",
        ),
    ],
)
def test_an_invalid_option_is_one_line(monkeypatch, capsys, tmp_path, options, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(run.Args, run.main)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and line in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_quick_run_writes_everything_and_trains_no_arm_twice(tmp_path, capsys):
    args = run.Args(quick=True, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        run.main(args)
        first = capsys.readouterr().out
        run.main(args)
    second = capsys.readouterr().out
    assert first.startswith("student: 4 seeds in ") and second.lstrip().startswith("Greedy return")
    assert len(list(csv.DictReader((tmp_path / "quick" / "seeds.csv").open()))) == 12
    for name in ("split", "arms", "long"):
        assert (tmp_path / "quick" / f"{name}.png").stat().st_size < 100_000
    assert "| student_fixed | uniform draw |" in (tmp_path / "quick" / "tables.md").read_text()


def test_the_course_is_read_at_a_tenth_half_and_the_end_of_each_seed():
    # Eleven measurements, nine of the second seed, which collapses and stays so.
    eval_return = {1: [500.0] * 11, 2: [9, 9, 9, 9, 480, 100, 100, 100, 110]}
    rows = [
        {
            "arm": "default",
            "seed": str(seed),
            "measurement": str(p),
            "env_steps": str(1_000 * p),
            "eval_return": str(value),
            "action_gap": str(p),
            "value": str(100 * seed),
            "monte_carlo": "7",
            "churn": "nan" if p == 0 else "0.5",
            "terminal_share": "0.25",
        }
        for seed, returns in eval_return.items()
        for p, value in enumerate(returns)
    ]
    header, line = (
        [cell.strip() for cell in text.strip("|").split("|")]
        for text in tables.course_table(rows).splitlines()[3:6:2]
    )
    cells = dict(zip(header, line, strict=True))
    assert cells["collapsed, of these solved at the end"] == "1, 0"
    # The last two of ten changes and the last two of eight: 0, 0, 0, 10.
    assert cells["change of greedy return per measurement, last fifth"] == "2.5"
    # Measurement 1 of both; 5 and 4; 10 and 8.
    medians = [part.split(" (")[0] for part in cells["action gap"].split(" → ")]
    assert medians == ["1", "4.5", "9"]
    assert cells["churn, %"].startswith("50 (50 to 50) → ") and cells["value"].startswith("150 (")
