"""A team in the official engine: what its workers see and what it commands, in NumPy.

The observations, the order of decisions and the city tiles are those of the environment
`jaxdqn.envs.lux.make`, in which a policy is trained.
"""

from collections.abc import Callable

import numpy as np

from experiments.lux import observation, orders
from experiments.lux.position import Position
from jaxdqn.envs.lux import rules

NAMES = {rules.NORTH: "n", rules.EAST: "e", rules.SOUTH: "s", rules.WEST: "w"}
"""Of the directions in commands."""


class Team:
    """Commands of team `team`, 0 or 1, on a board of `size x size`; `act(obs) -> order` is the policy."""

    def __init__(self, act: Callable[[np.ndarray], int], team: int, size: int) -> None:
        self._act, self._team, self._size = act, team, size
        self._slots = [""] * rules.MAX_WORKERS
        self._orders: dict[str, int] = {}
        self._inside: set[str] = set()
        self._born: list[tuple[int, int]] = []
        """Cells of the workers that the last commands build."""

    def commands(self, position: Position, turn: int) -> list[str]:
        """The commands of a turn; positions must come in order."""
        self._seat(position)
        planes = observation.map_planes(position, self._team, self._size)
        self._end_orders(position, turn, planes)
        self._give_orders(position, turn, planes)
        names = list(filter(None, self._slots))
        units = [(position.units[name], self._orders[name]) for name in names]
        sources = observation.collectible(position, self._team)
        found = orders.actions(position, turn, planes, sources, units)
        said = []
        for name, action in zip(names, found, strict=True):
            if action == rules.BUILD_CITY:
                said.append(f"bcity {name}")
            elif action != rules.STAY:
                said.append(f"m {name} {NAMES[action]}")
        tiles = tile_commands(position, self._team)
        self._born = [(int(x), int(y)) for word, x, y in map(str.split, tiles) if word == "bw"]
        return said + tiles

    def _end_orders(self, position: Position, turn: int, planes: np.ndarray) -> None:
        """Ends the orders of units that came into a city, and of one in rotation."""
        units = {name: position.units[name] for name in self._slots if name}
        tile = planes[observation.TILE] > 0
        inside = {name for name, unit in units.items() if tile[unit.y, unit.x]}
        came = inside - self._inside
        if units:
            came.add(list(units)[turn % len(units)])
        kept = {name: order for name, order in self._orders.items() if name not in came}
        self._orders = {name: kept.get(name, rules.NO_ORDER) for name in units}
        self._inside = inside

    def _give_orders(self, position: Position, turn: int, planes: np.ndarray) -> None:
        """Orders to units that can act and have none; `planes` get those of all units."""
        numbers = observation.numbers(position, self._team, self._size)
        for name, order in self._orders.items():
            observation.show(planes, position.units[name], order)
        for name, order in self._orders.items():
            unit = position.units[name]
            if unit.cooldown < 1 and order == rules.NO_ORDER:
                own = numbers(unit, turn, self._orders.values())
                self._orders[name] = int(self._act(observation.look(planes, own, unit)))
                observation.show(planes, unit, self._orders[name])

    def _seat(self, position: Position) -> None:
        """Gives each new worker the first slot that was free before this turn, in the order of their cells.

        A worker that was lost in the turn in which it was built had one too.
        """
        own = {name: unit for name, unit in position.units.items() if unit.team == self._team}
        new = {(own[name].x, own[name].y): name for name in own.keys() - set(self._slots)}
        cells = dict.fromkeys([*self._born, *sorted(new, key=lambda cell: cell[::-1])])
        free = [slot for slot, name in enumerate(self._slots) if not name]
        for cell, slot in zip(cells, free, strict=False):
            self._slots[slot] = new.get(cell, "")
        self._slots = [name if name in own else "" for name in self._slots]


def tile_commands(position: Position, team: int) -> list[str]:
    """City tiles build a worker if allowed, else they research until all is known."""
    own = [city.tiles for city in position.cities.values() if city.team == team]
    tiles = {cell: cooldown for city in own for cell, cooldown in city.items()}
    num_workers = sum(unit.team == team for unit in position.units.values())
    places = min(len(tiles), rules.MAX_WORKERS) - num_workers
    said = []
    for x, y in sorted((cell for cell in tiles if tiles[cell] < 1), key=lambda cell: cell[::-1]):
        if places > 0:
            said.append(f"bw {x} {y}")
            places -= 1
        elif position.research[team] < rules.RESEARCH_POINTS[rules.URANIUM]:
            said.append(f"r {x} {y}")
    return said
