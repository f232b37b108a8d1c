"""Hyperparameters of Snake."""

from jaxdqn.recipes.minatar import IMAGE
from jaxdqn.recipes.tuned import Tuned

TUNED = {
    "snake": Tuned(
        {
            **IMAGE.config,
            "num_updates": 1,
            "n_step": 5,
            # A snake that traps itself dies up to as many steps later as it is long.
            "gamma": 0.997,
            # About as many environment steps as with more updates.
            "target_period": 20,
            # Fruits are rare at first, so that gradients are small.
            "adam_epsilon": 1e-6,
            # A random action often ends a long snake.
            "epsilon_end": 0.001,
            "exploration_fraction": 0.1,
        },
        IMAGE.agents,
        steps=2_000_000,
        eval_interval=250_000,
    )
}
"""By the name of the environment; chosen on seed 0."""
