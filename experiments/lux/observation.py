"""What a worker in the official engine sees, as `jaxdqn.envs.lux.observation`, in NumPy."""

from collections.abc import Callable, Collection

import numpy as np

from experiments.lux.position import KINDS, City, Position, Unit
from jaxdqn.envs.lux import rules

NUM_MAPS = 11
RESOURCES, TILE, OPPONENTS, WORKER, ORDERS = slice(1, 4), 4, 6, 7, slice(9, 11)
"""Planes of the map; the last are those of the workers with each of `rules.TASKS`."""
Orders = Collection[int]


def map_planes(position: Position, team: int, size: int) -> np.ndarray:
    """The planes `observation.MAP` of the whole board, uint8 `[11, size, size]`, without orders."""
    planes = np.zeros((NUM_MAPS, size, size), np.uint8)
    inside, _, _, _, tile, nights, opponents, worker, cargo, *_ = planes
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


def show(planes: np.ndarray, unit: Unit, order: int) -> None:
    """Adds the order of a unit to the planes."""
    for plane, task in zip(planes[ORDERS], rules.TASKS, strict=True):
        plane[unit.y, unit.x] = max(plane[unit.y, unit.x], 255 * (order in task))


def numbers(position: Position, team: int, size: int) -> Callable[[Unit, int, Orders], list[int]]:
    """`(unit, turn, orders) -> observation.NUMBERS`, each 0 to 255; `orders` are those of all units."""
    cities = [c for c in position.cities.values() if c.team == team]
    tiles = [cell for c in cities for cell in c.tiles]
    num_workers = sum(unit.team == team for unit in position.units.values())
    need = [rules.NIGHT_LENGTH * int(c.upkeep) for c in cities]
    fuel = sum(min(int(c.fuel), one) for c, one in zip(cities, need, strict=True))
    two_nights = 2 * rules.NIGHT_LENGTH
    least = min((night_turns(c) for c in cities), default=two_nights)
    points, sources = position.research[team], collectible(position, team)

    def seen(unit: Unit, turn: int, orders: Orders) -> list[int]:
        parts = [
            *((held, rules.CAPACITY) for held in unit.cargo),
            (can_build(position, unit), 1),
            (turn % rules.CYCLE, rules.CYCLE),
            (turn % rules.CYCLE >= rules.DAY_LENGTH, 1),
            (turn, rules.MAX_TURNS),
            *((points, rules.RESEARCH_POINTS[kind]) for kind in (rules.COAL, rules.URANIUM)),
            (num_workers, max(len(tiles), 1)),
            *(
                (sum(order in task for order in orders), max(num_workers, 1))
                for task in rules.TASKS
            ),
            (len(tiles), rules.MOST_TILES),
            (fuel, max(sum(need), 1)),
            (least, two_nights),
            *(
                (size + steps, 2 * size)
                for goal in (tiles, sources)
                for steps in nearest(goal, unit)
            ),
        ]
        return [byte(part, whole) for part, whole in parts]

    return seen


def night_turns(city: City) -> int:
    """Turns of night for which a city has fuel."""
    return int(city.fuel) // max(int(city.upkeep), 1)


def collectible(position: Position, team: int) -> list[tuple[int, int]]:
    """Cells with a resource that the team can collect."""
    needed = dict[str, int](zip(KINDS, rules.RESEARCH_POINTS.values(), strict=True))
    points = position.research[team]
    return [cell for cell, (kind, _) in position.resources.items() if points >= needed[kind]]


def nearest(goal: list[tuple[int, int]], unit: Unit) -> tuple[int, int]:
    """Steps to the south and the east to the nearest cell of `goal`, the first of equal ones; none without a goal."""
    steps = [(y - unit.y, x - unit.x) for x, y in goal]
    return min(steps, key=lambda step: (sum(map(abs, step)), step), default=(0, 0))


def look(planes: np.ndarray, own: list[int], unit: Unit) -> np.ndarray:
    """The observation of `unit`, uint8 `[11, 11, 30]`, as `observation.observe`."""
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


def byte(part: int, whole: int) -> int:
    """`part / whole`, at most 1, as 0 to 255, rounded up."""
    return -(-min(part, whole) * 255 // whole)
