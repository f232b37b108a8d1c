"""Hyperparameters of classic control and of other small environments with vector observations."""

from typing import Any

from jaxdqn.recipes.algorithms import AgentName
from jaxdqn.recipes.tuned import Tuned

CARTPOLE = "CartPole-v1"
SOLVED = 475.0
"""Mean return from which CartPole-v1 counts as solved, by Gymnasium's registry."""
# An episode ends at position 2.4 m or angle 0.21 rad; velocities stay below about 2 m/s and 2 rad/s.
OBS_SCALE = (1 / 2.4, 1 / 2, 1 / 0.21, 1 / 2)

CARTPOLE_AGENTS: dict[AgentName, dict[str, Any]] = {
    "iqn": {"learning_rate": 1e-3},
    "noisy": {"learning_rate": 5e-3},
    "pqn": {"learning_rate": 5e-3},
}
"""Differences of other agents from DQN on CartPole, chosen on seeds 0 to 15."""

GENERAL = {"gamma": 0.99, "learning_rate": 1e-3, "exploration_fraction": 0.5}
CONTROL = GENERAL | {
    "features": (256, 256),
    "n_step": 1,
    "batch_size": 64,
    "learning_rate": 5e-4,
}
"""Acrobot and MountainCar, chosen for DQN on seeds 0 to 5 and 0 to 3."""

VECTOR = Tuned(GENERAL)
"""Environments without an entry, whose observations are not images."""

TUNED = {
    CARTPOLE: Tuned(
        # The other hyperparameters are the defaults of `Config`. With the discount 0.996, a reward of 1
        # per step is worth at most 250; larger returns are clipped.
        {"v_min": 0.0, "v_max": 250.0},
        CARTPOLE_AGENTS,
        obs_scale=OBS_SCALE,
        steps=50_000,
        eval_interval=1_000,
        solved_at=SOLVED,
    ),
    "Acrobot-v1": Tuned(
        CONTROL | {"num_updates": 4},
        steps=200_000,
        eval_interval=10_000,
        solved_at=-100.0,
    ),
    "MountainCar-v0": Tuned(
        # Random actions never reach the goal in an episode of 200 steps, so that much is explored.
        CONTROL
        | {
            "num_envs": 16,
            "num_updates": 8,
            "learning_starts": 10_000,
            "exploration_fraction": 0.3,
        },
        steps=200_000,
        eval_interval=10_000,
        solved_at=-110.0,
    ),
    "FrozenLake-misc": Tuned(GENERAL, solved_at=0.7),
}
"""By the name of the environment; `solved_at` by Gymnasium's registry."""
