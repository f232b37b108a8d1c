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
            # A value moves back by five steps with each copy of the target.
            "target_period": 20,
            # Of histograms: 60 fruits, one in ten steps, have a return of 28.
            "v_min": 0.0,
            "v_max": 40.0,
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
"""By the name of the environment; chosen for DQN on seed 0."""
