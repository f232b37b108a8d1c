"""Recipes by name: network by the kind of observation, measured scales and supports."""

import dataclasses
import sys
from functools import partial

import jax
import numpy as np
import pytest
from helpers.envs import chain_env
from helpers.recipes import layers

from experiments import cartpole
from jaxdqn import envs, recipes, training
from jaxdqn.config import Config, ConfigError
from jaxdqn.recipes.find import Probe, measure, scale_of, value_range
from jaxdqn.runs import experiment


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("Acrobot-v1", [(6, 256), (256, 256), (256, 3)]),
        ("Catch-bsuite", [(50, 64), (64, 64), (64, 3)]),
        ("FrozenLake-misc", [(16, 64), (64, 64), (64, 4)]),
        ("Breakout-MinAtar", [(3, 3, 4, 16), (1024, 128), (128, 3)]),
        ("snake", [(3, 3, 4, 16), (7056, 128), (128, 4)]),
        ("lux", [(3, 3, 30, 16), (1296, 128), (128, 7)]),
        ("minatar-paper/Breakout", [(3, 3, 4, 16), (1024, 128), (128, 6)]),
    ],
)
def test_the_network_fits_the_kind_of_observation(name, shapes):
    assert sorted(layers(recipes.find(name))) == sorted(shapes)


def test_the_page_of_cartpole_is_the_recipe_of_the_package():
    """So that the results of one are those of the other, for each agent."""
    for agent in recipes.AGENTS:
        page, package = cartpole.recipe(agent), recipes.find("CartPole-v1", agent)
        used = package.hyperparameters(package.config)
        assert {name: getattr(page.config, name) for name in used} == used
        for name in ("obs_scale", "steps", "eval_interval", "solved_at"):
            assert getattr(page, name) == getattr(package, name)
        assert layers(page) == layers(package)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        # The first random episode of 16 to last n steps is worth (1 - 0.9^n) / 0.1, close to 10.
        (
            {"v_max": 5.0, "gamma": 0.9},
            r"v_max \(5.0\) must be at least the highest discounted ret",
        ),
        ({"v_min": 1.5, "gamma": 0.9}, r"v_min \(1.5\) must be at most the lowest .* \(1.0\)\."),
    ],
)
def test_a_support_that_does_not_hold_the_returns_is_refused(given, message):
    overrides = dataclasses.replace(experiment.Overrides(), **given)
    with pytest.raises(ConfigError, match=message):
        experiment.complete(recipes.find("CartPole-v1", "c51"), experiment.Args(config=overrides))
    enough = dataclasses.replace(overrides, v_min=0.0, v_max=10.0)
    recipe, _ = experiment.complete(
        recipes.find("CartPole-v1", "c51"), experiment.Args(config=enough)
    )
    assert (recipe.config.v_min, recipe.config.v_max) == (0.0, 10.0)


def test_snake_has_hyperparameters_of_its_own():
    recipe, image = (recipes.find(name, "pqn") for name in ("snake", "Breakout-MinAtar"))
    assert (recipe.config.gamma, recipe.steps) == (0.997, 2_000_000)
    config = recipes.find("snake").config
    # Each transition is replayed once, and the target is copied every 1,280 environment steps.
    assert config.num_updates * config.batch_size == config.num_envs
    assert config.target_period * config.num_envs // config.num_updates == 1_280
    # The support of histograms holds the return of a fruit in every tenth step, for ever.
    for agent in ("c51", "hl-gauss", "rainbow"):
        config = recipes.find("snake", agent).config
        assert config.v_min == 0 and 1 / (1 - config.gamma**10) < config.v_max < 50
    assert recipe.config.num_minibatches == image.config.num_minibatches
    assert recipe.obs(2) == jax.ShapeDtypeStruct((2, 23, 23, 4), bool)


@pytest.mark.parametrize("game", envs.minatar.GAMES)
def test_the_games_of_the_paper_have_one_recipe_which_replays_less(game):
    recipe, image = recipes.find(f"minatar-paper/{game}"), recipes.find("Breakout-MinAtar")
    config = recipe.config
    assert config.num_updates * config.batch_size / config.num_envs == 2
    assert dataclasses.replace(config, num_updates=8) == image.config
    assert recipe.steps == 5_000_000


@pytest.mark.parametrize("name", ["lux", "lux-16"])
def test_lux_has_hyperparameters_of_its_own(name):
    recipe, image = (recipes.find(env, "pqn") for env in (name, "Breakout-MinAtar"))
    assert recipe.config.gamma > image.config.gamma
    assert recipe.obs_scale == 1 / 255
    state = jax.eval_shape(recipe.trainer(total_steps=4_096).init, jax.random.key(0))
    assert jax.tree.structure(state.params) == jax.tree.structure(state.state.learner.params)


def test_a_transform_is_applied_to_the_trainer():
    recipe = recipes.find("CartPole-v1")
    recipe = dataclasses.replace(recipe, transform=partial(training.average, decay=0.9))
    state = jax.eval_shape(recipe.trainer(total_steps=5_000).init, jax.random.key(0))
    assert jax.tree.structure(state.params) == jax.tree.structure(state.state.learner.params)


def test_a_probe_measures_observations_and_rewards_of_random_actions():
    env = chain_env()._replace(observe=lambda state: np.float32([2.0, -8.0, 0.0]) * (state > -1))
    probe = measure(env)
    np.testing.assert_array_equal(probe.obs, [2.0, 8.0, 0.0])
    assert (probe.reward_min, probe.reward_max) == (0.0, 1.0)
    assert scale_of(probe.obs, image=False) == (0.5, 0.12, 1.0)
    assert scale_of(np.full((3, 4, 1), 255.0), image=True) == 0.0039


@pytest.mark.parametrize(
    ("rewards", "gamma", "limit", "expected"),
    [
        ((0.0, 1.0), 0.99, None, (0.0, 100.0)),
        ((-1.0, 0.0), 0.99, 50, (-50.0, 1.0)),
        # DeepSea, whose treasure of 1 random actions do not find: 10 steps cost at most 0.01.
        ((-0.001, 0.0), 0.99, 10, (-0.01, 1.0)),
        ((-2.0, 3.0), 0.9, 500, (-20.0, 30.0)),
        ((0.0, 0.0), 0.99, None, (-1.0, 1.0)),
        ((1.0, 1.0), 1.0, None, (0.0, 1_000.0)),
    ],
)
def test_the_range_of_values_by_hand(rewards, gamma, limit, expected):
    found = value_range(Probe(np.zeros(1), *rewards), gamma, limit)
    assert (found["v_min"], found["v_max"]) == expected


def test_config_of_64_environments_works():
    """Multiples of the number of environments are rounded up."""
    recipe = recipes.find("CartPole-v1")
    trainer = recipe.trainer(Config(num_envs=64))
    assert trainer.learning_starts == 1_024
    with jax.debug_key_reuse(False):
        state = jax.jit(trainer.init)(jax.random.key(0))
        state, metrics = jax.jit(lambda state: training.run(trainer, state, 2))(state)
    assert int(metrics.env_steps[-1]) == 1_024 + 2 * 64


def test_an_unknown_agent_and_a_single_integer_raise_config_errors(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"agent \(sarsa\) must be one of dqn, double"):
        recipes.find("CartPole-v1", "sarsa")
    code = "from helpers.envs import chain_env\ndef make():\n    return chain_env()._replace(observe=lambda s: s)"
    (tmp_path / "integer_env.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ConfigError, match=r"must not observe a single integer.*envs\.one_hot"):
        recipes.find("integer_env:make")


@pytest.mark.parametrize("num_envs", [8, 64])
def test_the_replay_keeps_the_dtype_of_the_environment(num_envs):
    """100,000 transitions of Breakout in at most 90 MB."""
    recipe = recipes.find("Breakout-MinAtar")
    config = dataclasses.replace(recipe.config, num_envs=num_envs)
    state = jax.eval_shape(recipe.trainer(config).init, jax.random.key(0))
    assert state.buffer.like.obs.dtype == bool
    assert 100_000 <= state.buffer.words.shape[0] * num_envs < 100_000 + num_envs
    assert sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.buffer.words)) <= 90e6


def test_recipes_pass_the_environment_on():
    assert recipes.find("MountainCar-v0").env.time_limit == 200
    assert recipes.find("Catch-bsuite").obs(3) == jax.ShapeDtypeStruct((3, 10, 5), bool)
    assert envs.check(recipes.find("FourRooms-misc").env).dtype == np.int32


def test_convolutions_that_leave_nothing_of_the_image_raise_an_error():
    recipe = recipes.find("Breakout-MinAtar")
    for depth, fits in ((4, True), (5, False)):
        config = dataclasses.replace(recipe.config, channels=(4,) * depth)
        if fits:
            recipe.check(config, recipe.steps)
            continue
        with pytest.raises(ConfigError, match=r"channels .* a cell of the image \(10 x 10\)"):
            recipe.check(config, recipe.steps)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (-100.0, 1.0)),
        ({"gamma": 0.998}, (-500.0, 1.0)),
        ({"gamma": 0.998, "v_min": -700.0}, (-700.0, 1.0)),
        ({"gamma": 0.998, "v_max": 9.0}, (-500.0, 9.0)),
    ],
)
def test_a_measured_support_follows_the_discount_of_the_command_line(given, expected):
    recipe = recipes.find("Acrobot-v1", "c51")
    args = experiment.EnvArgs(agent="c51", config=experiment.Overrides(**given))
    config = experiment.complete(recipe, args)[0].config
    assert (config.v_min, config.v_max) == expected


def test_rounding_errors_and_infinities_do_not_scale_observations():
    assert scale_of(np.float32([1e-9, np.inf, 2.0]), image=False) == (1.0, 1.0, 0.5)
