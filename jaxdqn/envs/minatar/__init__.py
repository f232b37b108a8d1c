"""MinAtar under the protocol of its paper."""

from jaxdqn.envs.minatar.paper import GAMES, minatar_paper

__all__ = ["GAMES", "minatar_paper"]
