"""Results: missing rows are trained, test seeds are no tuning seeds, rows of another recipe are refused."""

import dataclasses
from pathlib import Path

import jax
import pytest
from helpers import runner

from experiments.results import rows, run, trainings
from jaxdqn import recipes
from jaxdqn.config import ConfigError


@pytest.mark.slow
def test_it_trains_what_the_file_lacks_and_draws_each_environment(tmp_path, capsys):
    args = run.Args(
        envs=("Catch-bsuite", "CartPole-v1"),
        agents=("pqn",),
        steps=4_000,
        eval_interval=2_000,
        seeds=2,
        group_size=1,
        csv=tmp_path / "results.csv",
        out=tmp_path / "out",
    )
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        run.main(dataclasses.replace(args, envs=("CartPole-v1",), seeds=1))
        before = rows.read(args.csv, trainings.FIELDS)
        run.main(args)
    found = rows.read(args.csv, trainings.FIELDS)
    assert found[: len(before)] == before and len(found) == 4
    for row in found:
        steps, returns = trainings.curve_of(row)
        assert steps == sorted(steps) and len(steps) == 3
        assert returns[-1] == pytest.approx(float(row["final_return"]), rel=1e-3)
        assert float(row["seconds"]) >= 0 and row["hardware"] == trainings.hardware()
    said = capsys.readouterr().out
    assert "Catch-bsuite, 4,000 environment steps" in said and "| pqn | 2 |" in said
    drawn = {path.name for path in args.out.glob("*.png")}
    assert drawn == {"Catch-bsuite-4000.png", "CartPole-v1-4000.png"}


def test_rows_of_other_hyperparameters_are_refused(tmp_path):
    recipe = recipes.find("CartPole-v1")
    other = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, gamma=0.9))
    assert trainings.fingerprint(recipe) != trainings.fingerprint(other)
    row = dict.fromkeys(trainings.FIELDS, "1")
    row |= {"env": "CartPole-v1", "agent": "dqn", "steps": str(recipe.steps), "seed": "100"}
    path = tmp_path / "results.csv"
    rows.write(path, trainings.FIELDS, [row | {"recipe": trainings.fingerprint(recipe)}])
    trainings.check(path, recipe, "csv")
    assert len(trainings.fill(path, recipe, [100], tmp_path)) == 1
    with pytest.raises(
        ConfigError,
        match=r"^csv .* must not hold rows of CartPole-v1, dqn with other.*another --csv",
    ):
        trainings.check(path, other, "csv")
    # Before the first environment is trained, and before a directory is made.
    rows.write(path, trainings.FIELDS, [row | {"recipe": "other"}])
    args = run.Args(envs=("Catch-bsuite", "CartPole-v1"), csv=path, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="must not hold rows of CartPole-v1"):
        run.main(args)
    assert not args.out.exists()


def test_a_return_that_is_not_finite_is_the_lowest():
    row = {"curve": f"8:1.5 16:{trainings.cell(None, '.4g')}"}
    steps, returns = trainings.curve_of(row)
    assert steps == [8, 16] and returns[0] == 1.5 and returns[1] < -1e38


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", 99], "--seed (99) must be at least 100; hyperparameters were chosen"),
        (["--seeds", 0], "--seeds (0) must be at least 1"),
        (["--seed", 2**31 - 1], "--seed (2147483647) must be small enough that the last seed"),
        (["--agents"], "--agents () must name at least one agent"),
        (
            ["--envs", "Catch-bsuite", "--steps", 5],
            "--steps (5) must be at least learning_starts and one iteration (1008), for dqn on Catch-bsuite.",
        ),
        (["--eval-interval", 0], "--eval-interval (0) must be at least 1"),
        (["--group-size", 0], "--group-size (0) must be at least 1"),
        (
            ["--envs", "Catch-bsuite", "Braekout-MinAtar"],
            "--envs (Braekout-MinAtar) must be a known environment, such as Breakout-MinAtar",
        ),
    ],
)
def test_invalid_input_gets_one_line(options, message):
    code, out, err = runner.run(str(Path("results") / "run.py"), *options)
    assert (code, out) == (2, "") and err.strip().splitlines()[-1].startswith(f"error: {message}")


@pytest.mark.parametrize(("cores", "expected"), [(1, "1 CPU core"), (2, "2 CPU cores")])
def test_the_hardware_of_a_row_names_the_cores(monkeypatch, cores, expected):
    monkeypatch.setattr(trainings.platform, "cores", lambda: cores)
    assert trainings.hardware() == expected
