"""The record's seeds are those of `cartpole.py`; its other worlds are what they are called."""

import json

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner

from experiments.results import run, variants
from jaxdqn.config import Config, ConfigError

NUM_ENVS = 64


def keys():
    return jax.random.split(jax.random.key(0), 3)


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_pole_of_another_length_moves_as_in_gymnasium(times):
    world = variants.pole(times, NUM_ENVS)
    reset_key, action_key, step_key = keys()
    state, obs = world.reset(reset_key)
    other = gymnasium.make("CartPole-v1").unwrapped
    other.reset(seed=0)
    other.length *= times
    other.polemass_length *= times
    action = jax.random.bernoulli(action_key, 0.5, (NUM_ENVS,)).astype(jnp.int32)
    _, timestep = world.step(step_key, state, action)
    for i in range(NUM_ENVS):
        other.state, other.steps_beyond_terminated = np.asarray(obs[i], np.float64), None
        expected, *_ = other.step(int(action[i]))
        np.testing.assert_allclose(timestep.final_obs[i], expected, atol=1e-6)


def test_a_wider_start_fills_its_bounds_and_is_what_the_world_goes_on_from():
    world = variants.start(0.2, NUM_ENVS)
    state, obs = world.reset(jax.random.key(0))
    assert np.all(np.abs(obs) <= 0.2) and np.all(np.abs(obs).max(axis=0) > 0.17)
    coordinates = state.x, state.x_dot, state.theta, state.theta_dot
    np.testing.assert_array_equal(np.stack(coordinates, axis=-1), obs)


def test_sticky_actions_repeat_the_last_one_done_as_often_as_they_should():
    def play(probability, num_steps=200):
        """Whether each world's cart was pushed to the right, `[num_steps, N]`, where asked is random."""
        world = variants.sticky(probability, NUM_ENVS)
        reset_key, action_key, step_key = keys()
        state, obs = world.reset(reset_key)
        asked = jax.random.bernoulli(action_key, 0.5, (num_steps, NUM_ENVS)).astype(jnp.int32)

        def step(carry, x):
            state, obs = carry
            key, action = x
            state, timestep = world.step(key, state, action)
            began = timestep.terminated | timestep.truncated
            pushed = timestep.final_obs[:, 1] > obs[:, 1]
            return (state, timestep.obs), (pushed, began)

        step_keys = jax.random.split(step_key, num_steps)
        _, (pushed, began) = jax.lax.scan(step, (state, obs), (step_keys, asked))
        return np.asarray(asked, bool), np.asarray(pushed), np.asarray(began)

    asked, pushed, _ = play(0.0)
    np.testing.assert_array_equal(pushed, asked)
    asked, pushed, began = play(1.0)
    first = np.concatenate([np.ones((1, NUM_ENVS), bool), began[:-1]])
    # The first action of an episode has none before it.
    np.testing.assert_array_equal(pushed[first], asked[first])
    np.testing.assert_array_equal(pushed[1:][~first[1:]], pushed[:-1][~first[1:]])
    asked, pushed, began = play(0.3)
    first = np.concatenate([np.ones((1, NUM_ENVS), bool), began[:-1]])
    # Seen in half of the cases: the other half was asked for anyway. Four deviations.
    differs = (pushed != asked)[~first]
    assert abs(differs.mean() - 0.15) < 4 * np.sqrt(0.15 * 0.85 / differs.size)


@pytest.mark.slow
def test_its_seeds_are_those_of_cartpole_to_the_bit(tmp_path, monkeypatch, capsys):
    # Long enough for rounding to show, were the program compiled in another way.
    small = run.Budget(8_000, Config(), elsewhere=True)
    monkeypatch.setattr(record, "budget", lambda name: small)
    args = run.Args(budgets=("50k",), seeds=3, seed=7, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        run.main(args)
        said = capsys.readouterr().out
        rows = run.rows.read(tmp_path / "record.csv", run.FIELDS)
        run.main(args)
    # Nothing is trained twice.
    assert said.startswith("50k: 3 seeds in ") and not capsys.readouterr().out.startswith("50k")
    options = [
        "--steps",
        8_000,
        "--seeds",
        3,
        "--seed",
        7,
        "--quiet",
        "--run-dir",
        tmp_path / "run",
    ]
    code, _, err = runner.run("cartpole.py", *options)
    assert (code, err) == (0, "")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    for world, name in ((run.FINAL, "final_return"), (run.BEST, "best_return")):
        np.testing.assert_allclose(run.values(rows, "50k", world), result[name], atol=1e-4)
    for world in variants.WORLDS:
        assert len(run.values(rows, "50k", world)) == 3 and f"| {world} |" in said


def test_what_was_solved_once_and_is_not_at_the_end_is_lost():
    rows = [
        {"budget": "50k", "seed": str(seed), "world": world, "mean_return": str(value)}
        for seed, pair in enumerate(
            [(500.0, 500.0), (474.0, 475.0), (100.0, 474.0), (480.0, 500.0)]
        )
        for world, value in zip((run.FINAL, run.BEST), pair, strict=True)
    ]
    line = run.budget_line(rows, "50k")
    assert line["solved once, not at the end"] == "1" and line["exactly 500"] == "1"
    assert line["≥ 475"].startswith("2 of 4") and line["worst"] == "100.0, 474.0, 480.0"


@pytest.mark.parametrize(("option", "value", "least"), [("seeds", 2, 3), ("seed", -1, 0)])
def test_a_mistake_names_the_option(tmp_path, option, value, least):
    with pytest.raises(ConfigError, match=rf"{option} \({value}\) must be at least {least}"):
        run.main(run.Args(**{option: value}, out=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
