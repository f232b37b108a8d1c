"""A team in the official engine: what its workers see and what it commands, in NumPy.

The observations, the order of decisions and the city tiles are those of the environment
`jaxdqn.envs.lux.make`, in which a policy is trained.
"""

from collections.abc import Callable

import numpy as np

from experiments.lux.position import KINDS, Position, Unit
from jaxdqn.envs.lux import rules

DIRECTIONS = {
    rules.NORTH: ("n", (0, -1)),
    rules.EAST: ("e", (1, 0)),
    rules.SOUTH: ("s", (0, 1)),
    rules.WEST: ("w", (-1, 0)),
}
"""The name of a direction and its step `(x, y)`."""
NUM_MAPS = 10
PLANNED = NUM_MAPS - 1
"""The plane of the cells that workers which have decided will enter."""


class Team:
    """Commands of team `team`, 0 or 1, on a board of `size x size`; `act(obs) -> action` is the policy."""

    def __init__(self, act: Callable[[np.ndarray], int], team: int, size: int) -> None:
        self._act, self._team, self._size = act, team, size
        self._slots = [""] * rules.MAX_WORKERS

    def commands(self, position: Position, turn: int) -> list[str]:
        """The commands of a turn; positions must come in order."""
        self._seat(position)
        planes = map_planes(position, self._team, self._size)
        seen = numbers(position, self._team, self._size)
        said = []
        for name in filter(None, self._slots):
            unit = position.units[name]
            if unit.cooldown >= 1:
                continue
            own = seen(unit, turn)
            action = int(self._act(look(planes, own, unit)))
            target = self._target(position, unit, action)
            if target:
                planes[PLANNED, target[1], target[0]] = 255
                said.append(f"m {name} {DIRECTIONS[action][0]}")
            elif action == rules.BUILD_CITY and can_build(position, unit):
                said.append(f"bcity {name}")
        return said + tile_commands(position, self._team)

    def _seat(self, position: Position) -> None:
        """Gives each new worker the first free slot, in the order of their cells."""
        own = {name: unit for name, unit in position.units.items() if unit.team == self._team}
        self._slots = [name if name in own else "" for name in self._slots]
        new = sorted(own.keys() - set(self._slots), key=lambda name: (own[name].y, own[name].x))
        for name in new:
            if "" in self._slots:
                self._slots[self._slots.index("")] = name

    def _target(self, position: Position, unit: Unit, action: int) -> tuple[int, int] | None:
        """The cell that `unit` would enter, if it may."""
        if action not in DIRECTIONS:
            return None
        dx, dy = DIRECTIONS[action][1]
        target = unit.x + dx, unit.y + dy
        inside = min(target) >= 0 and max(target) < self._size
        others = (city.tiles for city in position.cities.values() if city.team != self._team)
        return target if inside and not any(target in tiles for tiles in others) else None


def map_planes(position: Position, team: int, size: int) -> np.ndarray:
    """The planes `observation.MAP` of the whole board, uint8 `[10, size, size]`; none is planned."""
    planes = np.zeros((NUM_MAPS, size, size), np.uint8)
    inside, _, _, _, tile, nights, opponents, worker, cargo, _ = planes
    inside[:] = 255
    for (x, y), (kind, amount) in position.resources.items():
        planes[1 + KINDS.index(kind), y, x] = byte(amount, rules.MAX_GROWING_WOOD)
    for city in position.cities.values():
        whole = max(int(rules.MOST_NIGHTS * rules.NIGHT_LENGTH * city.upkeep), 1)
        for x, y in city.tiles:
            if city.team == team:
                tile[y, x], nights[y, x] = 255, byte(int(city.fuel), whole)
            else:
                opponents[y, x] = 255
    for unit in position.units.values():
        if unit.team == team:
            worker[unit.y, unit.x] = 255
            held = byte(sum(unit.cargo), rules.CAPACITY)
            cargo[unit.y, unit.x] = max(cargo[unit.y, unit.x], held)
    return planes


def numbers(position: Position, team: int, size: int) -> Callable[[Unit, int], list[int]]:
    """`(unit, turn) -> observation.NUMBERS`, each 0 to 255."""
    tiles = [cell for c in position.cities.values() if c.team == team for cell in c.tiles]
    num_workers = sum(unit.team == team for unit in position.units.values())
    points = position.research[team]
    needed = dict[str, int](zip(KINDS, rules.RESEARCH_POINTS.values(), strict=True))
    sources = [cell for cell, (kind, _) in position.resources.items() if points >= needed[kind]]

    def seen(unit: Unit, turn: int) -> list[int]:
        parts = [
            *((held, rules.CAPACITY) for held in unit.cargo),
            (can_build(position, unit), 1),
            (turn % rules.CYCLE, rules.CYCLE),
            (turn % rules.CYCLE >= rules.DAY_LENGTH, 1),
            (turn, rules.MAX_TURNS),
            *((points, rules.RESEARCH_POINTS[kind]) for kind in (rules.COAL, rules.URANIUM)),
            (num_workers, max(len(tiles), 1)),
            *(
                (size + steps, 2 * size)
                for goal in (tiles, sources)
                for steps in nearest(goal, unit)
            ),
        ]
        return [byte(part, whole) for part, whole in parts]

    return seen


def nearest(goal: list[tuple[int, int]], unit: Unit) -> tuple[int, int]:
    """Steps to the south and the east to the nearest cell of `goal`, the first of equal ones; none without a goal."""
    steps = [(y - unit.y, x - unit.x) for x, y in goal]
    return min(steps, key=lambda step: (sum(map(abs, step)), step), default=(0, 0))


def look(planes: np.ndarray, own: list[int], unit: Unit) -> np.ndarray:
    """The observation of `unit`, uint8 `[11, 11, 24]`, as `observation.observe`."""
    padded = np.pad(planes, [(0, 0), (rules.RADIUS, rules.RADIUS), (rules.RADIUS, rules.RADIUS)])
    side = 2 * rules.RADIUS + 1
    seen = padded[:, unit.y : unit.y + side, unit.x : unit.x + side]
    constant = np.broadcast_to(np.array(own, np.uint8)[:, None, None], (len(own), side, side))
    return np.moveaxis(np.concatenate([seen, constant]), 0, -1)


def can_build(position: Position, unit: Unit) -> bool:
    """Whether a unit that can act may build a city tile where it is."""
    here = unit.x, unit.y
    taken = here in position.resources or any(here in c.tiles for c in position.cities.values())
    return sum(unit.cargo) >= rules.CITY_COST and unit.cooldown < 1 and not taken


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


def byte(part: int, whole: int) -> int:
    """`part / whole`, at most 1, as 0 to 255, rounded up."""
    return -(-min(part, whole) * 255 // whole)
