"""The study runs from one command, goes on where it stopped, and its arms differ in what they say."""

import csv
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.results import rows
from experiments.wobble.default import default
from experiments.wobble import episodes, measurements, parts, probes, run, store, student, tables
from jaxdqn.config import ConfigError
from jaxdqn.runs import cli
from jaxdqn.runs.errors import DAMAGED, RunError


def test_the_normal_draw_is_a_probability_of_its_own():
    recipe = parts.normal_draw(default(1_000))
    # ε is 1 at first and 0.05 from 0.45 on: Φ(1) = 0.841, Φ(0.05) = 0.520.
    found = [float(recipe.epsilon(jnp.float32(steps))) for steps in (0, 450, 1_000)]
    np.testing.assert_allclose(found, [0.8413, 0.5199, 0.5199], atol=1e-4)


def test_the_policies_played_again_are_those_of_the_last_fifth_that_was_trained():
    num = 500
    returns = np.full(num, 9.0, np.float32)
    found = measurements.last_policies(jnp.asarray(returns))
    # 250 policies, two episodes each: the last fifth is 200 to 249, of it ten.
    np.testing.assert_array_equal(found, np.arange(204, 250, 5))
    returns[200:] = np.nan
    # 100 were trained: 80 to 99.
    found = measurements.last_policies(jnp.asarray(returns))
    np.testing.assert_array_equal(found, np.arange(81, 100, 2))


def test_a_seed_that_is_there_is_not_missing_and_is_kept_once(tmp_path):
    store.append(tmp_path, "seeds", [("student", 5, 100, 9.5, 1.0, 2.0)])
    assert store.missing(tmp_path, "seeds", "student", [5, 6]) == [6]
    store.append(tmp_path, "seeds", [("student", 6, 100, 10.5, 1.0, 2.0)] * 2)
    kept = store.read(tmp_path, "seeds")
    assert [row["final_return"] for row in kept] == ["9.5", "10.5"]
    assert store.missing(tmp_path, "seeds", "default", [5]) == [5]


def test_rows_are_written_all_or_none(tmp_path, monkeypatch):
    store.append(tmp_path, "seeds", [("student", 5, 100, 9.5, 1.0, 2.0)])
    before = (tmp_path / "seeds.csv").read_text()

    def die(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(rows.os, "replace", die)
        store.append(tmp_path, "seeds", [("student", 6, 100, 9.5, 1.0, 2.0)])
    assert (tmp_path / "seeds.csv").read_text() == before


@pytest.mark.parametrize(
    "damage",
    [b"", b"arm,seed\n", b"\xff\xfe", b"arm,seed,env_steps,final_return,dice,policy\na,1\n"],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, damage):
    (tmp_path / "seeds.csv").write_bytes(damage)
    with pytest.raises(
        RunError, match=r"seeds.csv is damaged: its lines must hold arm, seed,"
    ) as stop:
        store.read(tmp_path, "seeds")
    assert stop.value.exit_code == DAMAGED
    (tmp_path / "plan.json").write_bytes(damage)
    with pytest.raises(RunError, match=r"plan.json is damaged"):
        rows.claim(tmp_path, {"steps": 1})


def test_an_arm_is_compared_over_the_seeds_that_both_have():
    rows = [
        {"arm": "default", "seed": "1", "final_return": "500"},
        {"arm": "default", "seed": "2", "final_return": "400"},
        {"arm": "default-gamma", "seed": "2", "final_return": "490"},
        {"arm": "default-gamma", "seed": "3", "final_return": "10"},
    ]
    assert tables.pairs(rows, "default-gamma") == ([490.0], [400.0])
    assert tables.pairs(rows, "default") is None


def test_an_arm_may_have_a_base_of_its_own():
    assert tables.base_of("default-huber-plain") == "default-huber"
    assert tables.base_of("repaired") == "student" and tables.base_of("default") == "default"


def test_another_plan_in_the_same_folder_is_refused(tmp_path):
    rows.claim(tmp_path, {"steps": 30_000, "shape": (1, 2)})
    rows.claim(tmp_path, {"steps": 30_000, "shape": (1, 2)})
    with pytest.raises(ConfigError, match="holds rows of another steps; choose another --out"):
        rows.claim(tmp_path, {"steps": 50_000})


def test_the_split_tells_the_columns_apart():
    made = [
        {"arm": "student", "seed": str(seed), "final_return": "1", "dice": "90", "policy": "10"}
        for seed in range(3)
    ]
    line = tables.split_table(made).splitlines()[-1]
    # Of 100 in all 90 are dice; √90 and √10.
    assert "| 90 (90 to 90) | 9 | 3 |" in line
    assert tables.split_table([made[0] | {"arm": "default", "dice": ""}]) == ""


def test_long_trainings_are_compared_seed_by_seed_whatever_their_order():
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
    # Seeds 5 and 9 are at 475 and 479; seed 1 is not.
    assert "2 of 3" in lines[-2] and "2 of 2" in lines[-1]


def test_a_look_knows_the_churn_since_the_look_before():
    actions = np.array([[0, 0], [0, 1], [1, 1], [1, 1]])
    look = probes.Look(*(np.arange(4.0),) * 3, actions, np.arange(4.0))
    # The last look came after the steps had ended: it saw nothing new.
    seen = measurements.Seen(np.array([10, 20, 30, 30]), np.arange(4.0), look, None)
    found = [dict(zip(store.LOOKS, row, strict=True)) for row in run.looks("x", 7, seen)]
    assert [row["look"] for row in found] == [0, 1, 2]
    np.testing.assert_array_equal([row["churn"] for row in found], [np.nan, 0.5, 0.5])
    assert [row["terminal_share"] for row in found] == [0, 1, 2]


def test_a_policy_is_kept_after_every_second_episode():
    assert [measurements.last_episode(policy) for policy in (0, 1, 249)] == [1, 3, 499]


def test_the_end_is_evaluated_alike_however_often_one_looked():
    keys = [
        jax.random.key_data(measurements.evaluation_keys(jax.random.key(3), n)) for n in (1, 25)
    ]
    np.testing.assert_array_equal(keys[0][-1], keys[1][-1])
    assert len(np.unique(keys[1], axis=0)) == 25


def test_looks_do_not_change_what_is_learnt():
    plan = measurements.Plan(steps=2_300, episodes=60, eval_episodes=2)
    member = [measurements.student_member(episodes_choices(), plan, x) for x in (True, False)]
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        seen, unseen = (jax.jit(x)(jax.random.key(0)) for x in member)
    np.testing.assert_array_equal(seen.again, unseen.again)
    assert seen.env_steps.shape == (6,) and unseen.look is None
    assert np.all(np.isfinite(seen.look.value)) and seen.env_steps[-1] == unseen.env_steps[-1]


def episodes_choices() -> episodes.Choices:
    return student.failing()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0"], "--seeds (0) must be at least 1."),
        (["--steps", "100"], "--steps (100) must be at least 2500."),
        (["--episodes", "55"], "--episodes (55) must be at least 100."),
        (["--long-episodes", "50"], "--long-episodes (50) must be a multiple of 20."),
        (["--long-seeds", "-1"], "--long-seeds (-1) must be at least 0."),
        (["--arms", "student", "teacher"], "--arms (teacher) must be among student, repaired,"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, capsys, tmp_path, options, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wobble.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(run.Args, run.main)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and line in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_from_the_command_to_the_figures_and_no_arm_twice(tmp_path, capsys):
    args = run.Args(quick=True, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        run.main(args)
        first = capsys.readouterr().out
        run.main(args)
    second = capsys.readouterr().out
    assert first.startswith("student: 4 seeds in ") and second.lstrip().startswith("Greedy return")
    assert len(list(csv.DictReader((tmp_path / "quick" / "seeds.csv").open()))) == 12
    for name in ("split", "arms", "long"):
        assert (tmp_path / "quick" / f"wobble_{name}.png").stat().st_size < 100_000
    assert "| repaired | the uniform draw |" in (tmp_path / "quick" / "tables.md").read_text()


def test_the_course_is_read_at_a_tenth_a_half_and_the_last_look_of_each_seed():
    # Eleven looks; the second seed's training ended after nine. It collapses and does not come back.
    greedy = {1: [500.0] * 11, 2: [9, 9, 9, 9, 480, 100, 100, 100, 110]}
    rows = [
        {
            "arm": "default",
            "seed": str(seed),
            "look": str(look),
            "env_steps": str(1_000 * look),
            "eval_return": str(value),
            "action_gap": str(look),
            "value": str(100 * seed),
            "monte_carlo": "7",
            "churn": "nan" if look == 0 else "0.5",
            "terminal_share": "0.25",
        }
        for seed, returns in greedy.items()
        for look, value in enumerate(returns)
    ]
    header, line = (
        [cell.strip() for cell in text.strip("|").split("|")]
        for text in tables.course_table(rows).splitlines()[3:6:2]
    )
    cells = dict(zip(header, line, strict=True))
    assert cells["collapsed, of these solved at the end"] == "1, 0"
    # Of the first seed's ten changes the last two, of the second's eight the last two: 0, 0, 0, 10.
    assert cells["greedy return changes from look to look, last fifth"] == "2.5"
    # Looks 1 of either; 5 and 4; 10 and 8.
    medians = [part.split(" (")[0] for part in cells["action gap"].split(" → ")]
    assert medians == ["1", "4.5", "9"]
    assert cells["churn, %"].startswith("50 (50 to 50) → ") and cells["value"].startswith("150 (")
