"""The agents by name: networks, replay and optimizers of the papers, and the hyperparameters that are read."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers.envs import numbered
from helpers.recipes import layers

from jaxdqn import recipes, training
from jaxdqn.config import Config, ConfigError
from jaxdqn.replay import sum_tree
from jaxdqn.runs import experiment


def test_the_networks_of_the_papers():
    """Dueling, IQN, noisy and Rainbow have their last hidden layer after the torso."""
    shapes = {name: layers(recipes.find("CartPole-v1", name)) for name in recipes.AGENTS}
    assert shapes["dqn"] == [(64, 2), (4, 64), (64, 64)]
    # Value and advantage: a hidden layer and an output each.
    assert sorted(shapes["dueling"]) == sorted([(4, 64), (64, 64), (64, 1), (64, 64), (64, 2)])
    # The embedding of 64 cosines, the hidden layer after the product, the output.
    assert sorted(shapes["iqn"]) == sorted([(4, 64), (64, 64), (64, 64), (64, 2)])
    # Means and standard deviations; the torso has no noise.
    head = [(64, 64), (64, 51), (64, 64), (64, 102)]
    assert sorted(shapes["rainbow"]) == sorted([(4, 64), *head, *head])


@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
def test_the_policy_of_a_noisy_agent_has_no_parameter_noise(epsilon):
    recipe = recipes.find("CartPole-v1", "noisy")
    agent, obs = recipe.agent(), jax.random.normal(jax.random.key(0), (1_000, 4))
    params = agent.init(jax.random.key(1), obs)
    action = recipe.policy(epsilon=epsilon)(jax.random.key(2), params, obs)
    np.testing.assert_array_equal(action, agent.q_values(params, obs).argmax(axis=1))
    assert (action != agent.explore(jax.random.key(2), params, obs).argmax(axis=1)).any()


def test_beta_rises_to_one_at_the_last_update():
    """Weights of `1 / P` for the priorities 1 and 4, to the power of β."""
    config = dataclasses.replace(Config(), priority_alpha=1.0, priority_beta=0.4, batch_size=64)
    memory = recipes.ALGORITHMS["rainbow"].replay(config, 10)
    buffer = memory.init(jax.tree.map(lambda x: x[0], numbered(0, 1, 4)))
    buffer = memory.add(buffer, numbered(0, 1, 4))
    priority = np.array([1.0, 4.0, 4.0, 4.0], np.float32)
    buffer = buffer._replace(levels=sum_tree.write(buffer.levels, np.arange(4), priority))
    for num_updates, beta in ((0, 0.4), (5, 0.7), (10, 1.0)):
        sample = memory.sample(
            jax.random.key(0), buffer._replace(num_updates=np.int32(num_updates))
        )
        rare = np.asarray(sample.handle[0]) == 0
        np.testing.assert_allclose(sample.weight[rare], 1.0)
        np.testing.assert_allclose(sample.weight[~rare], 0.25**beta, rtol=1e-5)


def test_the_schedule_of_beta_ends_with_the_training():
    recipe = recipes.find("CartPole-v1", "prioritized")
    small = {"buffer_size": 800, "learning_starts": 80, "features": (4,), "batch_size": 8}
    recipe = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, **small))
    trainer = recipe.trainer(total_steps=400)
    with jax.debug_key_reuse(False):
        state, metrics = jax.jit(lambda key: training.run(trainer, trainer.init(key), 40))(
            jax.random.key(0)
        )
    assert int(state.buffer.num_updates) == int(metrics.num_updates[-1]) == 80


def test_pqn_uses_radam():
    """Its first steps have no second moment (Liu et al., 2020, algorithm 2): `-learning_rate · m̂`."""
    recipe = recipes.find("CartPole-v1", "pqn")
    optimizer = recipe.algorithm.optimizer(recipe.config, 0.1)
    params = np.zeros(2, np.float32)
    state = optimizer.init(params)
    for gradient in ([1.0, -8.0], [1.0, -8.0]):
        step, state = optimizer.update(np.float32(gradient), state, params)
        np.testing.assert_allclose(step, [-0.1, 0.8], rtol=1e-5)


def test_persistent_advantage_learning_has_steps_of_one_reward():
    """Its operator repeats the action in the next state, which an n-step transition does not hold."""
    recipe = recipes.find("CartPole-v1", "persistent")
    assert "n_step" not in recipe.algorithm.fields and recipe.config.n_step == 3
    memory = recipe.algorithm.replay(dataclasses.replace(recipe.config, batch_size=32), 1)
    buffer = memory.add(
        memory.init(jax.tree.map(lambda x: x[0], numbered(0, 1, 4))), numbered(0, 3, 4)
    )
    sample = memory.sample(jax.random.key(0), buffer)
    row, env = np.asarray(sample.batch.obs)[:, 0] // 100, np.asarray(sample.batch.obs)[:, 0] % 100
    np.testing.assert_allclose(sample.batch.reward, 100 * row + env + 0.25)
    overrides = dataclasses.replace(experiment.Overrides(), n_step=3)
    with pytest.raises(
        ConfigError, match=r"n_step \(3\) must not be given: persistent on CartPole"
    ):
        experiment.complete(recipe, experiment.Args(config=overrides))


@pytest.mark.parametrize("agent", ["dueling", "iqn", "noisy", "rainbow"])
def test_a_head_with_a_hidden_layer_needs_one(agent):
    recipe = recipes.find("CartPole-v1", agent)
    with pytest.raises(ConfigError, match=r"features \(\(\)\) must name a layer for the head"):
        recipe.agent(dataclasses.replace(recipe.config, features=()))


@pytest.mark.parametrize(
    "env", ["CartPole-v1", "Acrobot-v1", "Breakout-MinAtar", "Catch-bsuite", "snake"]
)
def test_rainbow_has_the_exponent_and_the_steps_of_its_paper_everywhere(env):
    config = recipes.find(env, "rainbow").config
    assert (config.priority_alpha, config.n_step) == (0.5, 3)


def test_an_agent_is_not_checked_for_what_it_does_not_read():
    recipe = recipes.find("CartPole-v1", "persistent")
    recipe.check(dataclasses.replace(recipe.config, buffer_size=16, n_step=3), 50_000)


def test_only_what_an_agent_reads_is_recorded():
    pqn, c51 = (recipes.find("CartPole-v1", name) for name in ("pqn", "c51"))
    read = pqn.hyperparameters(pqn.config)
    assert "td_lambda" in read and not {"buffer_size", "n_step", "v_max", "channels"} & read.keys()
    assert {"v_min", "v_max", "num_atoms", "n_step"} <= c51.hyperparameters(c51.config).keys()
    assert "channels" in recipes.find("Breakout-MinAtar").algorithm.fields


@pytest.mark.parametrize("agent", recipes.AGENTS)
def test_a_hyperparameter_that_is_not_read_has_no_effect(agent):
    """And is not recorded: the traced computation is the same."""
    recipe = recipes.find("CartPole-v1", agent)
    config = dataclasses.replace(recipe.config, num_envs=2, buffer_size=40, learning_starts=20)
    unread = {f.name for f in dataclasses.fields(Config)} - recipe.algorithm.fields
    other = {
        name: tuple(x + 1 for x in value) if isinstance(value, tuple) else value + 1
        for name in unread
        for value in [getattr(config, name)]
    }

    def program(config):
        trainer = recipe.trainer(config, 1_000)
        return str(jax.make_jaxpr(lambda key: trainer.step(trainer.init(key)))(jax.random.key(0)))

    def without_addresses(text):
        return [word for word in text.split() if "0x" not in word]

    with jax.debug_key_reuse(False):
        found = [program(c) for c in (config, dataclasses.replace(config, **other))]
    assert without_addresses(found[0]) == without_addresses(found[1])
