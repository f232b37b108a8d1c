"""Hyperparameters of Snake."""

from jaxdqn.recipes.minatar import IMAGE
from jaxdqn.recipes.tuned import Tuned

TUNED = {
    "snake": Tuned(
        {
            **IMAGE.config,
            "num_updates": 4,
            "n_step": 5,
            "gamma": 0.95,
            # Fruits are rare at first, so that gradients are small.
            "adam_epsilon": 1e-6,
            "exploration_fraction": 0.1,
        },
        IMAGE.agents,
        steps=2_000_000,
        eval_interval=200_000,
    )
}
"""By the name of the environment; provisional, of the first 150,000 steps of the agent `prioritized` on seed 0."""
