"""Training: rollouts, updates and the loops over them, for one agent or a population."""

from jaxdqn.training import learning, population, rollout, session, sharding
from jaxdqn.training.dqn import TrainState, dqn
from jaxdqn.training.pqn import PQNState, pqn
from jaxdqn.training.rollout import Episodes
from jaxdqn.training.trainer import Metrics, Trainer, run

__all__ = [
    "Episodes",
    "Metrics",
    "PQNState",
    "TrainState",
    "Trainer",
    "dqn",
    "learning",
    "population",
    "pqn",
    "rollout",
    "run",
    "session",
    "sharding",
]
