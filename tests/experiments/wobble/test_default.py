"""The default agent of the study is the recipe, with one part replaced."""

import dataclasses

import jax
import numpy as np
import optax

from experiments.wobble import default, parts
from jaxdqn import recipes, training
from jaxdqn.config import Config, fill

SMALL = {"learning_starts": 80, "buffer_size": 800, "batch_size": 16}


def test_a_replaced_part_that_is_equal_changes_nothing():
    """20 iterations are half of the training, so that the schedules have an effect."""
    recipe = default.default(400, **SMALL)
    replaced = default.with_agent(recipe, parts.default_agent())
    replaced = default.with_epsilon(replaced, lambda epsilon: epsilon)
    replaced = default.with_optimizer(replaced, lambda config, rate: optax.adam(rate, eps=1e-4))
    replaced = dataclasses.replace(
        replaced,
        learning_rate=lambda config, n: optax.linear_schedule(2.5e-3, 0.0, n),
    )
    same(recipe.trainer(), replaced.trainer(), num_iterations=20)


def test_a_buffer_larger_than_the_training_does_not_change_it():
    """`fill` limits the buffer of a short training, and changes nothing else."""
    recipe = recipes.find("CartPole-v1")
    config = dataclasses.replace(recipe.config, **SMALL | {"buffer_size": 400})
    larger = dataclasses.replace(config, buffer_size=1_600)
    trainers = [recipe.trainer(c, 400) for c in (config, larger)]
    same(*trainers, num_iterations=(400 - 80) // config.num_envs)


def test_a_filled_config_is_valid():
    recipe = recipes.find("CartPole-v1")
    for steps in (16, 17, 50_000, 10**9):
        for changes in ({}, {"n_step": 9}, {"num_steps": 4}, {"num_envs": 3, "buffer_size": 60}):
            config = Config(
                **{"learning_starts": 12, "buffer_size": 1_200, "num_envs": 4} | changes
            )
            filled = fill(config, steps)
            assert filled.buffer_size <= config.buffer_size
            assert filled.buffer_size >= min(steps, config.buffer_size)
            recipe.check(filled, max(steps, 64))


def same(one, other, num_iterations):
    """Asserts that both trainers end with bit-identical parameters."""

    def end(trainer):
        def train(key):
            state, _ = training.run(trainer, trainer.init(key), num_iterations)
            return state.learner.params

        with jax.debug_key_reuse(False):
            return jax.tree.leaves(jax.jit(train)(jax.random.key(0)))

    for x, y in zip(end(one), end(other), strict=True):
        np.testing.assert_array_equal(x, y)
