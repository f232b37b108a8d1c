"""Hyperparameters of Lux."""

import functools

from jaxdqn import training
from jaxdqn.recipes.minatar import IMAGE
from jaxdqn.recipes.tuned import Tuned

LUX = Tuned(
    {**IMAGE.config, "gamma": 0.997, "epsilon_end": 0.02, "exploration_fraction": 0.1},
    {
        "pqn": {
            "num_envs": 16,
            "num_steps": 256,
            "num_epochs": 2,
            "num_minibatches": 32,
            # A team decides more than once in a turn: λ must be near 1 for returns to reach the next night.
            "td_lambda": 0.98,
        }
    },
    obs_scale=1 / 255,
    steps=2_000_000,
    eval_interval=200_000,
    # A greedy team can repeat the same orders for ever; it does so less with averaged parameters.
    transform=functools.partial(training.average, decay=0.99),
)

TUNED = {"lux": LUX, "lux-16": LUX}
"""By the name of the environment. Chosen for PQN on seed 0; other agents were not trained with it."""
