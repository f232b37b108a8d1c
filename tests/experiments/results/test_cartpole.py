"""Results: seeds are those of `cartpole.py`, and the variants of CartPole are what their names say."""

import json

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner

from experiments.results import cartpole, variants
from jaxdqn import envs
from jaxdqn.config import Config, ConfigError

NUM_ENVS = 64


def keys():
    return jax.random.split(jax.random.key(0), 3)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_pole_of_another_length_moves_as_in_gymnasium(scale):
    env = envs.vectorize(variants.pole(scale), NUM_ENVS)
    reset_key, action_key, step_key = keys()
    state, obs = env.reset(reset_key)
    other = gymnasium.make("CartPole-v1").unwrapped
    other.reset(seed=0)
    other.length *= scale
    other.polemass_length *= scale
    action = jax.random.bernoulli(action_key, 0.5, (NUM_ENVS,)).astype(jnp.int32)
    _, timestep = env.step(step_key, state, action)
    for i in range(NUM_ENVS):
        other.state, other.steps_beyond_terminated = np.asarray(obs[i], np.float64), None
        expected, *_ = other.step(int(action[i]))
        np.testing.assert_allclose(timestep.final_obs[i], expected, atol=1e-6)


def test_a_wider_start_fills_its_bounds_and_is_the_state_of_the_environment():
    env = envs.vectorize(variants.start(0.2), NUM_ENVS)
    episode, obs = env.reset(jax.random.key(0))
    state = episode.state.state
    assert np.all(np.abs(obs) <= 0.2) and np.all(np.abs(obs).max(axis=0) > 0.17)
    coordinates = state.x, state.x_dot, state.theta, state.theta_dot
    np.testing.assert_array_equal(np.stack(coordinates, axis=-1), obs)


def test_sticky_actions_repeat_the_previous_action_with_their_probability():
    def play(probability, num_steps=200):
        """Whether each cart was pushed to the right, `[num_steps, N]`, for random actions."""
        env = envs.vectorize(envs.sticky_actions(variants.cartpole(), probability), NUM_ENVS)
        reset_key, action_key, step_key = keys()
        state, obs = env.reset(reset_key)
        asked = jax.random.bernoulli(action_key, 0.5, (num_steps, NUM_ENVS)).astype(jnp.int32)

        def step(carry, x):
            state, obs = carry
            key, action = x
            state, timestep = env.step(key, state, action)
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
    # The first action of an episode has no previous one.
    np.testing.assert_array_equal(pushed[first], asked[first])
    np.testing.assert_array_equal(pushed[1:][~first[1:]], pushed[:-1][~first[1:]])
    asked, pushed, began = play(0.3)
    first = np.concatenate([np.ones((1, NUM_ENVS), bool), began[:-1]])
    # Half of the repeated actions equal the random one anyway. Tolerance: four standard deviations.
    differs = (pushed != asked)[~first]
    assert abs(differs.mean() - 0.15) < 4 * np.sqrt(0.15 * 0.85 / differs.size)


@pytest.mark.slow
def test_its_seeds_are_bit_identical_to_those_of_cartpole(tmp_path, monkeypatch, capsys):
    # Long enough to show the rounding of a program that is compiled with other options.
    small = cartpole.Budget(8_000, Config(), on_variants=True)
    monkeypatch.setattr(cartpole, "budget", lambda name: small)
    args = cartpole.Args(budgets=("50k",), seeds=3, seed=7, out=tmp_path)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        cartpole.main(args)
        said = capsys.readouterr().out
        rows = cartpole.rows.read(tmp_path / "results.csv", cartpole.FIELDS)
        cartpole.main(args)
    # No seed is trained twice.
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
    for variant, name in ((cartpole.FINAL, "final_return"), (cartpole.BEST, "best_return")):
        np.testing.assert_allclose(cartpole.values(rows, "50k", variant), result[name], atol=1e-4)
    for variant in variants.VARIANTS:
        assert len(cartpole.values(rows, "50k", variant)) == 3 and f"| {variant} |" in said


def test_a_line_counts_seeds_that_were_solved_earlier_but_not_at_the_end():
    rows = [
        {"budget": "50k", "seed": str(seed), "variant": variant, "mean_return": str(value)}
        for seed, pair in enumerate(
            [(500.0, 500.0), (474.0, 475.0), (100.0, 474.0), (480.0, 500.0)]
        )
        for variant, value in zip((cartpole.FINAL, cartpole.BEST), pair, strict=True)
    ]
    line = cartpole.budget_line(rows, "50k")
    assert line["solved earlier, not at the end"] == "1" and line["exactly 500"] == "1"
    assert line["≥ 475"].startswith("2 of 4") and line["lowest"] == "100.0, 474.0, 480.0"


@pytest.mark.parametrize(("option", "value", "least"), [("seeds", 2, 3), ("seed", -1, 0)])
def test_an_invalid_option_is_named(tmp_path, option, value, least):
    with pytest.raises(ConfigError, match=rf"{option} \({value}\) must be at least {least}"):
        cartpole.main(cartpole.Args(**{option: value}, out=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
