"""Hyperparameters of Snake."""

from jaxdqn.recipes.minatar import IMAGE
from jaxdqn.recipes.tuned import Tuned

TUNED = {
    "snake": Tuned(
        {
            **IMAGE.config,
            "num_updates": 4,
            "n_step": 5,
            "gamma": 0.97,
            # Fruits are rare at first, so that gradients are small.
            "adam_epsilon": 1e-6,
            # A random action often ends a long snake.
            "epsilon_end": 0.01,
            "exploration_fraction": 0.1,
        },
        IMAGE.agents,
        steps=500_000,
        eval_interval=50_000,
    )
}
"""By the name of the environment; chosen on seed 0."""
