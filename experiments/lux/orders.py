"""How workers in the official engine follow orders, as `jaxdqn.envs.lux.orders`, in NumPy."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from experiments.lux.observation import OPPONENTS, RESOURCES, TILE, night_turns
from experiments.lux.position import KINDS, Position, Unit
from jaxdqn.envs.lux import rules

STEPS = {
    rules.STAY: (0, 0),
    rules.NORTH: (0, -1),
    rules.EAST: (1, 0),
    rules.SOUTH: (0, 1),
    rules.WEST: (-1, 0),
}
"""`(x, y)` of an action."""
Cell = tuple[int, int]


def actions(
    position: Position,
    turn: int,
    planes: np.ndarray,
    sources: Sequence[Cell],
    units: Sequence[tuple[Unit, int]],
) -> list[int]:
    """The actions of units that follow their orders, one after the other.

    `planes` are those of `observation.map_planes`, `sources` the resources that can be collected.
    """
    tile, night = planes[TILE] > 0, turn % rules.CYCLE >= rules.DAY_LENGTH
    ways = distances(position, planes, sources)
    everybody = marked(((unit.x, unit.y) for unit in position.units.values()), len(tile))
    held = (everybody & ~tile) | (planes[OPPONENTS] > 0)
    found = []
    for unit, order in units:
        action = rules.STAY
        if unit.cooldown < 1 and order != rules.NO_ORDER:
            deliver = rules.DELIVER[order]
            at_night = night and not deliver.startswith("edge")
            full = sum(unit.cargo) >= (rules.ENOUGH if at_night else rules.CAPACITY)
            keeps = not tile[unit.y, unit.x] or ways[deliver][unit.y, unit.x] == 0
            if ways[deliver][unit.y, unit.x] == tile.size:
                deliver = "city"
            goal = deliver if full else rules.COLLECT[order]
            action = step(ways[goal], held, unit, goal, keeps)
        x, y = target(unit, action)
        held[unit.y, unit.x] &= action not in STEPS or action == rules.STAY
        held[y, x] |= not tile[y, x]
        found.append(action)
    return found


def step(steps: np.ndarray, held: np.ndarray, unit: Unit, goal: str, keeps: bool) -> int:
    """The direction to the free cell that is nearest to the goal; there to stay, or to build a city tile.

    A unit that `keeps` what it collects does so from beside a resource too.
    """
    beside = keeps and goal in (*KINDS, "known resource")
    there = steps[unit.y, unit.x] <= (1 if beside else 0)
    if there and goal.startswith("edge") and sum(unit.cargo) >= rules.CITY_COST:
        return rules.BUILD_CITY

    def left(direction: int) -> int:
        x, y = target(unit, direction)
        inside = min(x, y) >= 0 and max(x, y) < len(held)
        free = there if direction == rules.STAY else inside and not held[y, x]
        return int(steps[y, x]) if free else steps.size

    return min(STEPS, key=left)


def target(unit: Unit, action: int) -> Cell:
    """The cell to which an action leads."""
    dx, dy = STEPS.get(action, (0, 0))
    return unit.x + dx, unit.y + dy


def distances(
    position: Position, planes: np.ndarray, sources: Sequence[Cell]
) -> dict[str, np.ndarray]:
    """Steps `[size, size]` to the nearest cell of each goal, by `flood`."""
    tile, opponents = planes[TILE] > 0, planes[OPPONENTS] > 0
    mark = functools.partial(marked, size=len(tile))

    def beside(goal: np.ndarray) -> np.ndarray:
        return np.any(around(goal, False), axis=0)

    known, empty = mark(sources), ~tile & ~opponents & ~planes[RESOURCES].any(axis=0)
    edge = empty & beside(tile)
    own = [c for c in position.cities.values() if tile[next(iter(c.tiles))[::-1]]]
    left = [night_turns(city) for city in own]
    least = [cell for c, n in zip(own, left, strict=True) if n == min(left) for cell in c.tiles]
    poorest = mark(least)
    goals = {
        **{
            kind: mark([at for at in sources if position.resources[at][0] == kind])
            for kind in KINDS
        },
        "known resource": known,
        "city": tile,
        "poorest city": poorest,
        "edge of a city": edge if edge.any() else empty,
        "edge of a resource": empty & beside(known),
    }
    takes = {"poorest city": tile & ~poorest, "edge of a city": tile, "edge of a resource": tile}
    walls = [opponents | takes.get(name, False) for name in goals]
    ways = flood(np.stack([*goals.values()]), np.stack(walls))
    return dict(zip(goals, ways, strict=True))


def marked(cells: Iterable[Cell], size: int) -> np.ndarray:
    """`[size, size]` bool: `cells`, each `(x, y)`, on a board."""
    board = np.zeros((size, size), bool)
    for x, y in cells:
        board[y, x] = True
    return board


def flood(goals: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Steps `[G, size, size]` around `walls` to the nearest cell of `goals`; `size²` from `2 size` steps on."""
    size = goals.shape[1]
    steps = np.where(goals & ~walls, 0, size**2)
    while True:
        nearer = np.minimum(steps, np.min(around(steps, size**2), axis=0) + 1)
        nearer = np.where(walls, size**2, nearer)
        if (nearer == steps).all():
            return np.where(steps < 2 * size, steps, size**2)
        steps = nearer


def around(boards: np.ndarray, outside: int) -> list[np.ndarray]:
    """Of each cell of boards `[..., size, size]` those to the north, south, west and east."""
    edge = [(0, 0)] * (boards.ndim - 2) + [(1, 1)] * 2
    edged = np.pad(boards, edge, constant_values=outside)
    middle = slice(1, -1)
    sides = (
        (slice(-2), middle),
        (slice(2, None), middle),
        (middle, slice(-2)),
        (middle, slice(2, None)),
    )
    return [edged[..., y, x] for y, x in sides]
