"""The study runs from one command, goes on where it stopped, and its arms differ in what they say."""

import csv
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import (
    blog_agent,
    episodes,
    wobble,
    wobble_arms,
    wobble_parts,
    wobble_runs,
    wobble_store,
    wobble_tables,
)
from experiments.default_recipe import default
from jaxdqn.config import ConfigError
from jaxdqn.runs import cli


def test_an_arm_of_the_student_differs_from_him_in_one_field():
    his = blog_agent.blog()
    for name, arm in wobble_arms.ARMS.items():
        if arm.family == "default" or name == "student":
            continue
        made = arm.make()
        # Functions made anew are another object: of those only what is plainly a choice is compared.
        plain = ("gamma", "learning_starts", "num_updates", "draw", "optimizer")
        changed = {field for field in plain if getattr(made, field) != getattr(his, field)}
        changed -= {"draw"} if arm.family == "repaired" else set()
        assert len(changed) <= 1, name


def test_an_arm_of_ours_differs_from_the_default_in_one_number():
    numbers = default(30_000).config
    for name, arm in wobble_arms.ARMS.items():
        if arm.family == "default":
            made = arm.make(30_000).config
            changed = [f for f in vars(numbers) if getattr(made, f) != getattr(numbers, f)]
            assert len(changed) <= 1, name


def test_the_normal_draw_is_a_probability_of_its_own():
    recipe = wobble_parts.normal_draw(default(1_000))
    # ε is 1 at first and 0.05 from 0.45 on: Φ(1) = 0.841, Φ(0.05) = 0.520.
    found = [float(recipe.epsilon(jnp.float32(steps))) for steps in (0, 450, 1_000)]
    np.testing.assert_allclose(found, [0.8413, 0.5199, 0.5199], atol=1e-4)


def test_the_policies_played_again_are_those_of_the_last_fifth_that_was_trained():
    num = 500
    returns = np.full(num, 9.0, np.float32)
    found = wobble_runs.last_policies(jnp.asarray(returns))
    # 250 policies, two episodes each: the last fifth is 200 to 249, of it ten.
    np.testing.assert_array_equal(found, np.arange(204, 250, 5))
    returns[200:] = np.nan
    # 100 were trained: 80 to 99.
    found = wobble_runs.last_policies(jnp.asarray(returns))
    np.testing.assert_array_equal(found, np.arange(81, 100, 2))


def test_a_seed_that_is_there_is_not_missing_and_a_cut_line_does_not_count(tmp_path):
    wobble_store.append(tmp_path, "seeds", [("student", 5, 100, 9.5, 1.0, 2.0)])
    with (tmp_path / "seeds.csv").open("a") as file:
        file.write("student,6,1")
    assert wobble_store.missing(tmp_path, "seeds", "student", [5, 6]) == [6]
    wobble_store.append(tmp_path, "seeds", [("student", 6, 100, 10.5, 1.0, 2.0)] * 2)
    rows = wobble_store.read(tmp_path, "seeds")
    assert [row["final_return"] for row in rows] == ["9.5", "10.5"]
    assert wobble_store.missing(tmp_path, "seeds", "default", [5]) == [5]


def test_an_arm_is_compared_over_the_seeds_that_both_have():
    rows = [
        {"arm": "default", "seed": "1", "final_return": "500"},
        {"arm": "default", "seed": "2", "final_return": "400"},
        {"arm": "default-gamma", "seed": "2", "final_return": "490"},
        {"arm": "default-gamma", "seed": "3", "final_return": "10"},
    ]
    assert wobble_tables.pairs(rows, "default-gamma") == ([490.0], [400.0])
    assert wobble_tables.pairs(rows, "default") is None


def test_another_plan_in_the_same_folder_is_refused(tmp_path):
    wobble_store.claim(tmp_path, {"steps": 30_000})
    wobble_store.claim(tmp_path, {"steps": 30_000})
    with pytest.raises(ConfigError, match="must be 30000 as in"):
        wobble_store.claim(tmp_path, {"steps": 50_000})


def test_looks_do_not_change_what_is_learnt():
    plan = wobble_runs.Plan(steps=2_300, episodes=60, eval_episodes=2)
    member = [wobble_runs.student_member(episodes_choices(), plan, x) for x in (True, False)]
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        seen, unseen = (jax.jit(x)(jax.random.key(0)) for x in member)
    np.testing.assert_array_equal(seen.again, unseen.again)
    assert seen.world_steps.shape == (6,) and unseen.look is None
    assert np.all(np.isfinite(seen.look.value)) and seen.world_steps[-1] == unseen.world_steps[-1]


def episodes_choices() -> episodes.Choices:
    return blog_agent.failing()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0"], "--seeds (0) must be at least 1."),
        (["--steps", "100"], "--steps (100) must be at least 2500."),
        (["--episodes", "55"], "--episodes (55) must be a multiple of 10."),
        (["--long-episodes", "50"], "--long-episodes (50) must be a multiple of 20."),
        (["--long-seeds", "-1"], "--long-seeds (-1) must be at least 0."),
        (["--arms", "student", "teacher"], "--arms (teacher) must be among student, repaired,"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, capsys, tmp_path, options, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wobble.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(wobble.Args, wobble.main)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and line in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_from_the_command_to_the_figures_and_no_arm_twice(tmp_path, capsys):
    args = wobble.Args(quick=True, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        wobble.main(args)
        first = capsys.readouterr().out
        wobble.main(args)
    second = capsys.readouterr().out
    assert first.startswith("student: 4 seeds in ") and second.lstrip().startswith("Greedy return")
    assert len(list(csv.DictReader((tmp_path / "seeds.csv").open()))) == 12
    for name in ("split", "arms", "long"):
        assert (tmp_path / f"wobble_{name}.png").stat().st_size < 100_000
    assert "| repaired | the uniform draw |" in (tmp_path / "tables.md").read_text()
