"""Training: rollouts, updates and the loops over them, for one agent or a population."""

from jaxdqn.training import learning, population, rollout, session
from jaxdqn.training.dqn import TrainState, dqn
from jaxdqn.training.pqn import PQNLearner, PQNState, pqn
from jaxdqn.training.rollout import Episodes
from jaxdqn.training.trainer import Metrics, Trainer, run
from jaxdqn.training.transforms import average, resets

__all__ = [
    "Episodes",
    "Metrics",
    "PQNLearner",
    "PQNState",
    "TrainState",
    "Trainer",
    "average",
    "dqn",
    "learning",
    "population",
    "pqn",
    "resets",
    "rollout",
    "run",
    "session",
]
