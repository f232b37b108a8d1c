"""Lux AI Season 1 for one team: `make` is an environment, `turn.play` one turn of all units."""

from jaxdqn.envs.lux import maps
from jaxdqn.envs.lux.decision import make

__all__ = ["make", "maps"]
