"""Positions of the official engine: what its lines say, as Python values."""

from typing import NamedTuple

KINDS = ("wood", "coal", "uranium")


class Unit(NamedTuple):
    """A unit; `cargo` is wood, coal, uranium."""

    team: int
    x: int
    y: int
    cooldown: float
    cargo: tuple[int, int, int]


class City(NamedTuple):
    """A city; `tiles` maps `(x, y)` to the cooldown there."""

    team: int
    fuel: float
    upkeep: float
    tiles: dict[tuple[int, int], float]


class Position(NamedTuple):
    """All that the engine says about a turn."""

    units: dict[str, Unit]
    cities: dict[str, City]
    resources: dict[tuple[int, int], tuple[str, int]]
    """`(x, y)` to kind and amount."""
    research: tuple[int, int]
    updates: list[str]
    """The same in the lines of the engine, as agents of Kaggle receive them."""
    finished: bool


def parse(updates: list[str], finished: bool = False) -> Position:
    """A position from the lines that the engine sends to a player."""
    units: dict[str, Unit] = {}
    cities: dict[str, City] = {}
    resources: dict[tuple[int, int], tuple[str, int]] = {}
    research = [0, 0]
    for line in updates:
        what, *rest = line.split(" ")
        match what:
            case "rp":
                research[int(rest[0])] = int(rest[1])
            case "r":
                resources[int(rest[1]), int(rest[2])] = rest[0], int(rest[3])
            case "u":
                x, y, wood, coal, uranium = (int(rest[i]) for i in (3, 4, 6, 7, 8))
                cargo = wood, coal, uranium
                units[rest[2]] = Unit(int(rest[1]), x, y, float(rest[5]), cargo)
            case "c":
                cities[rest[1]] = City(int(rest[0]), float(rest[2]), float(rest[3]), {})
            case "ct":
                cities[rest[1]].tiles[int(rest[2]), int(rest[3])] = float(rest[4])
    return Position(units, cities, resources, (research[0], research[1]), updates, finished)
