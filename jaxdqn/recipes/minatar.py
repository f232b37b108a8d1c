"""Hyperparameters of MinAtar and of other environments with image observations."""

from typing import Any

from jaxdqn.envs.minatar import GAMES
from jaxdqn.recipes.algorithms import AgentName
from jaxdqn.recipes.tuned import Tuned

IMAGE_AGENTS: dict[AgentName, dict[str, Any]] = {
    "c51": {"learning_rate": 1e-3},
    "double": {"learning_rate": 1e-3},
    "noisy": {"learning_rate": 1e-3},
    "pqn": {"num_envs": 128, "num_epochs": 2, "num_minibatches": 32},
    "qr": {"learning_rate": 1e-3},
    "rainbow": {"learning_rate": 1e-3},
}
"""Differences of other agents from DQN, learning rates chosen on seed 0 of Breakout."""

IMAGE = Tuned(
    {
        "num_envs": 64,
        "num_updates": 8,
        "batch_size": 64,
        "buffer_size": 100_000,
        "learning_starts": 5_000,
        "n_step": 3,
        "features": (128,),
        "gamma": 0.99,
        "learning_rate": 5e-4,
        "target_period": 100,
        "tau": 1.0,
        "exploration_fraction": 0.2,
    },
    IMAGE_AGENTS,
    steps=500_000,
    eval_interval=25_000,
)
"""Environments without an entry, whose observations are images."""

PAPER = IMAGE._replace(
    # Each transition is replayed twice instead of eight times: Seaquest is learnt much faster.
    config={**IMAGE.config, "num_updates": 2},
    steps=5_000_000,
    eval_interval=250_000,
)
"""The games of MinAtar's paper; `num_updates` chosen for DQN on seed 0 of Seaquest."""

TUNED = {f"minatar-paper/{game}": PAPER for game in GAMES}
"""By the name of the environment."""
