"""Plays games in `jaxdqn.envs.lux` and in the official engine, and compares them turn by turn.

python experiments/lux/agreement.py --games 200
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np
import tqdm

from experiments.lux import engine, scripted
from experiments.lux.position import KINDS, Position
from experiments.lux.scripted import State
from jaxdqn.config import check_at_least
from jaxdqn.envs.lux import board, maps, rules, turn
from jaxdqn.runs import cli, signals
from jaxdqn.runs.errors import RunError

RESEARCH = (0, 0, 0, 45, 190)
"""Research points at the start: a game may not reach those for uranium."""

play = jax.jit(turn.play)
Policy = Callable[[np.random.Generator, State], scripted.Actions]


class Disagreement(RunError):
    """The environment and the engine differ; the engine is right."""


def game(
    lux: engine.Engine, size: int, index: int, policy: Policy, research: int = 0, seed: int = 0
) -> State:
    """Plays test map `index` to its end, in both; returns the last state. `seed` is that of the policy.

    Raises `Disagreement` at the first turn where a compared quantity differs.
    """
    rng = np.random.default_rng((size, index, seed))
    read = maps.load(size, "test")
    fields = read.kind[index], read.amount[index], read.home[index], read.opponent[index]
    state = board.start(*map(jax.numpy.asarray, fields), max_workers=rules.MAX_WORKERS)
    state = state._replace(research=jax.numpy.int32(research))
    state = jax.device_get(state)
    position = lux.start(int(read.seed[index]), size, research=research)
    ids: dict[int, str] = {}
    while True:
        ids = follow(ids, state, position)
        if difference := compare(ids, state, position):
            where = f"map {read.seed[index]} of {size} x {size}, turn {state.turn}"
            raise Disagreement(f"The environment and the engine differ, {where}: {difference}")
        if state.over:
            return state
        worker_action, tile_action = policy(rng, state)
        tile_action = within_slots(state, tile_action)
        position = lux.step(commands(ids, state, worker_action, tile_action), [])
        state = jax.device_get(play(state, worker_action, tile_action))


def within_slots(state: State, tile_action: np.ndarray) -> np.ndarray:
    """Without the workers for which the environment, unlike the engine, has no slot."""
    builds = (tile_action == rules.BUILD_WORKER) & (state.city >= 0) & (state.tile_cooldown < 1)
    over = np.cumsum(builds) > rules.MAX_WORKERS - state.workers.alive.sum()
    return np.where(builds & over, rules.REST, tile_action)


def commands(
    ids: dict[int, str], state: State, worker_action: np.ndarray, tile_action: np.ndarray
) -> list[str]:
    """The actions, legal or not, in the words of the engine."""
    said = []
    for slot, name in ids.items():
        action = worker_action[slot]
        if action == rules.BUILD_CITY:
            said.append(f"bcity {name}")
        elif action != rules.STAY:
            said.append(f"m {name} {'cnesw'[action]}")
    for cell in np.flatnonzero(state.city >= 0).tolist():
        if tile_action[cell] != rules.REST:
            word = "bw" if tile_action[cell] == rules.BUILD_WORKER else "r"
            said.append(f"{word} {at(state, cell)[0]} {at(state, cell)[1]}")
    return said


def follow(ids: dict[int, str], state: State, position: Position) -> dict[int, str]:
    """The name in the engine of the worker in each slot; new ones are matched by their cell."""
    kept = {slot: name for slot, name in ids.items() if state.workers.alive[slot]}
    new = [n for n, unit in position.units.items() if unit.team == 0 and n not in ids.values()]
    for slot in np.flatnonzero(state.workers.alive):
        here = at(state, state.workers.cell[slot])
        names = [n for n in new if (position.units[n].x, position.units[n].y) == here]
        if slot not in kept and names:
            kept[int(slot)] = names[0]
            new.remove(names[0])
    return kept


def compare(ids: dict[int, str], state: State, position: Position) -> str:
    """The first quantity that differs, with both values; empty if all are equal."""
    workers, cells = state.workers, functools.partial(at, state)
    slots = {int(slot): ids.get(int(slot)) for slot in np.flatnonzero(workers.alive)}
    lives = not (state.over and state.opponent_fuel < 0)
    pairs = {
        "workers": (
            {
                name: (*cells(workers.cell[slot]), workers.cooldown[slot], *workers.cargo[slot])
                for slot, name in slots.items()
            },
            {
                name: (unit.x, unit.y, unit.cooldown, *unit.cargo)
                for name, unit in position.units.items()
                if unit.team == 0
            },
        ),
        "cities": (
            {
                (
                    int(state.fuel[city]),
                    int(state.upkeep[city]),
                    *((*cells(c), int(state.tile_cooldown[c])) for c in tiles(state, city)),
                )
                for city in set(state.city[state.city >= 0])
            },
            {
                (
                    city.fuel,
                    city.upkeep,
                    *sorted(((x, y, c) for (x, y), c in city.tiles.items()), key=row_major),
                )
                for city in position.cities.values()
                if city.team == 0
            },
        ),
        "opponent's city": (
            [(int(state.opponent_fuel), cells(state.opponent_cell))] * lives,
            [(c.fuel, *c.tiles) for c in position.cities.values() if c.team == 1],
        ),
        "opponent's worker": (
            [(*cells(state.opponent_cell), 0, (0, 0, 0))] * lives,
            [unit[1:] for unit in position.units.values() if unit.team == 1],
        ),
        "resources": (
            {
                cells(c): (KINDS[state.kind[c] - 1], int(state.amount[c]))
                for c in np.flatnonzero(state.amount).tolist()
            },
            position.resources,
        ),
        "research": ((int(state.research), 0), position.research),
        "end of the game": (bool(state.over), position.finished),
    }
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            return f"{name} {ours}, in the engine {theirs}"
    return ""


def tiles(state: State, city: int) -> np.ndarray:
    """The cells of a city, in their order."""
    return np.flatnonzero(state.city == city)


def row_major(tile: tuple[int, int, float]) -> tuple[int, int]:
    """Sorts by y, then x."""
    return tile[1], tile[0]


def at(state: State, cell: int) -> tuple[int, int]:
    """`(x, y)`."""
    y, x = divmod(int(cell), round(len(state.kind) ** 0.5))
    return x, y


@dataclasses.dataclass(frozen=True)
class Args:
    """Compares the Lux environment with the official engine over whole games."""

    games: int = 200
    """Number of games, at least 1; each fourth is on a map of 16 x 16, the others on 12 x 12."""


@signals.ending_at_once("stopped.")
def main(args: Args) -> None:
    """Prints how much was compared."""
    check_at_least("games", args.games, 1)
    turns = workers = cities = 0
    policies = list(scripted.POLICIES.values())
    with engine.run() as lux:
        for i in tqdm.trange(args.games, leave=False):
            size = 16 if i % 4 == 3 else 12
            num_maps = len(maps.load(size, "test").seed)
            policy = policies[i // 4 % len(policies)]
            start = RESEARCH[i % len(RESEARCH)]
            last = game(lux, size, i % num_maps, policy, start, seed=i)
            turns += int(last.turn)
            workers = max(workers, int(last.workers.alive.sum()))
            cities = max(cities, int((last.city >= 0).sum()))
    cli.say(
        f"{args.games} games, {turns:,} turns: every quantity equal in every turn; "
        f"at the end at most {workers} workers and {cities} city tiles."
    )


if __name__ == "__main__":
    cli.main(Args, main)
