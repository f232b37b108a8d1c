"""The default that the study breaks is the one that a newcomer gets."""

import jax
import numpy as np

from experiments import cartpole, default_recipe, members
from jaxdqn import training
from jaxdqn.config import Config


def test_it_trains_to_the_bit_as_cartpole_does():
    # Half of the steps, so that the schedules count: 20 iterations of those that they were made for.
    numbers = {"warmup_steps": 80, "capacity": 800, "batch_size": 16}
    steps = 400
    theirs = cartpole.make_trainer("dqn", Config(**numbers), members.make_agent("dqn"), steps)
    mine = default_recipe.make_trainer(default_recipe.default(steps, **numbers))

    def end(trainer):
        def train(key):
            return training.run(trainer, trainer.init(key), num_iterations=20)[0].learner.params

        with jax.debug_key_reuse(False):
            return jax.tree.leaves(jax.jit(train)(jax.random.key(0)))

    for x, y in zip(end(theirs), end(mine), strict=True):
        np.testing.assert_array_equal(x, y)
