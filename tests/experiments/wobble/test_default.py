"""The default agent of the study is the one that `cartpole.py` trains."""

import dataclasses

import jax
import numpy as np

from experiments.wobble import default
from jaxdqn import training
from jaxdqn.config import Config, check, fill
from jaxdqn.recipes import classic


def test_it_trains_bit_identically_to_the_recipe():
    # 20 iterations are half of the training, so that the schedules have an effect.
    hyperparameters = {"learning_starts": 80, "buffer_size": 800, "batch_size": 16}
    steps = 400
    config = Config(**hyperparameters)
    recipe = classic.make_trainer("dqn", config, classic.make_agent("dqn"), steps)
    own = default.make_trainer(default.default(steps, **hyperparameters))
    same(recipe, own, num_iterations=20)


def test_a_buffer_larger_than_the_training_does_not_change_it():
    """`fill` limits the buffer of a short training, and changes nothing else."""
    steps = 400
    recipe = default.default(steps, learning_starts=80, batch_size=16)
    assert recipe.config.buffer_size == steps
    larger = dataclasses.replace(recipe.config, buffer_size=4 * steps)
    trainers = map(default.make_trainer, (recipe, recipe._replace(config=larger)))
    same(*trainers, num_iterations=(steps - 80) // recipe.config.num_envs)


def test_a_filled_config_is_valid():
    for steps in (16, 17, 50_000, 10**9):
        for changes in ({}, {"n_step": 9}, {"num_steps": 4}, {"num_envs": 3, "buffer_size": 60}):
            config = Config(
                **{"learning_starts": 12, "buffer_size": 1_200, "num_envs": 4} | changes
            )
            filled = fill(config, steps)
            assert filled.buffer_size <= config.buffer_size
            assert filled.buffer_size >= min(steps, config.buffer_size)
            check(filled, max(steps, 64))


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
