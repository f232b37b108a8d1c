"""Deep Q-learning as pure JAX functions.

`from jaxdqn import agents, envs, networks, replay, training` gives the parts of a training
program; `jaxdqn.runs` adds everything with side effects. `jaxdqn.load(run_dir)` returns the
trained policy of a run. See `jaxdqn/README.md`.
"""

from typing import TYPE_CHECKING, Any

from jaxdqn import starting  # First, before the imports that take long.

# isort: split
from jaxdqn import (
    agents,
    distributions,
    envs,
    evaluation,
    networks,
    policies,
    recipes,
    replay,
    returns,
    targets,
    training,
)
from jaxdqn.config import Config, ConfigError
from jaxdqn.transition import Transition

if TYPE_CHECKING:
    from jaxdqn.runs.trained import load

__all__ = [
    "Config",
    "ConfigError",
    "Transition",
    "agents",
    "distributions",
    "envs",
    "evaluation",
    "load",
    "networks",
    "policies",
    "recipes",
    "replay",
    "returns",
    "starting",
    "targets",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "load":  # `jaxdqn.runs` is imported when it is used: it takes a second.
        from jaxdqn.runs.trained import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
