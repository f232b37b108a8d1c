"""The default that the study breaks is the one that a newcomer gets."""

import dataclasses

import jax
import numpy as np

from experiments.wobble import default
from jaxdqn import training
from jaxdqn.config import Config, check, fill
from jaxdqn.recipes import classic
from jaxdqn.runs import experiment


def test_it_trains_to_the_bit_as_cartpole_does():
    # Half of the steps, so that the schedules count: 20 iterations of those that they were made for.
    numbers = {"learning_starts": 80, "buffer_size": 800, "batch_size": 16}
    steps = 400
    theirs = experiment.make_trainer("dqn", Config(**numbers), classic.make_agent("dqn"), steps)
    mine = default.make_trainer(default.default(steps, **numbers))
    same(theirs, mine, num_iterations=20)


def test_a_ring_larger_than_the_training_is_the_same_training():
    """`fill` takes the memory of a short training only, and changes nothing else: to its last step."""
    steps = 400
    recipe = default.default(steps, learning_starts=80, batch_size=16)
    assert recipe.config.buffer_size == steps
    larger = dataclasses.replace(recipe.config, buffer_size=4 * steps)
    trainers = map(default.make_trainer, (recipe, recipe._replace(config=larger)))
    same(*trainers, num_iterations=(steps - 80) // recipe.config.num_envs)


def test_what_is_filled_is_a_ring_that_training_takes():
    for steps in (16, 17, 50_000, 10**9):
        for numbers in ({}, {"n_step": 9}, {"num_steps": 4}, {"num_envs": 3, "buffer_size": 60}):
            config = Config(
                **{"learning_starts": 12, "buffer_size": 1_200, "num_envs": 4} | numbers
            )
            filled = fill(config, steps)
            assert filled.buffer_size <= config.buffer_size
            assert filled.buffer_size >= min(steps, config.buffer_size)
            check(filled, max(steps, 64))


def same(one, other, num_iterations):
    """Whether both trainers end with the same parameters, to the bit."""

    def end(trainer):
        def train(key):
            state, _ = training.run(trainer, trainer.init(key), num_iterations)
            return state.learner.params

        with jax.debug_key_reuse(False):
            return jax.tree.leaves(jax.jit(train)(jax.random.key(0)))

    for x, y in zip(end(one), end(other), strict=True):
        np.testing.assert_array_equal(x, y)
