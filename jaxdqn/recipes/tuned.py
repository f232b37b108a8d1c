"""Hyperparameters that were tuned for an environment, as data."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxdqn.recipes.algorithms import AgentName
from jaxdqn.training.trainer import Trainer


class Tuned(NamedTuple):
    """Differences from the defaults of `Config`, and the properties of an environment."""

    config: Mapping[str, Any]
    """Fields of `Config`, for all agents."""
    agents: Mapping[AgentName, Mapping[str, Any]] = {}
    """The same for single agents, over `config`."""
    obs_scale: float | tuple[float, ...] | None = None
    """Factor of observations; None measures it."""
    steps: int = 100_000
    eval_interval: int = 5_000
    solved_at: float | None = None
    transform: Callable[[Trainer], Trainer] = lambda trainer: trainer
    """As `Recipe.transform`."""
