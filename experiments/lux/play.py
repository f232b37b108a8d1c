"""Plays a trained policy in the official engine: against nobody, itself and the official example agent.

python experiments/lux/play.py runs/lux --replay replay.html
"""

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tqdm

import jaxdqn
from experiments.lux import engine, replay
from experiments.lux.position import Position
from experiments.lux.team import Team
from experiments.results import estimates
from jaxdqn.config import UNIT, ConfigError, check_at_least, require
from jaxdqn.envs.lux import maps
from jaxdqn.runs import cli, platform, signals, trained
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.trained import TrainedPolicy, Which

ENVS = {"lux": 12, "lux-16": 16}
"""Environments and the size of their boards."""
Player = Callable[[Position, int], list[str]]
"""`(position, turn) -> commands` of a team, for one game."""
Side = Literal["nobody", "itself", "example"]


@dataclasses.dataclass(frozen=True)
class Args(trained.Args):
    """Plays a trained policy in the official engine of Lux, on maps that are not those of training."""

    epsilon: float = 0.0
    """Probability with which a worker gets a random order; 0 to 1."""
    size: int = 12
    """Cells of a side of the map: 12, or 16; the policy must be trained on it."""
    maps: int = 100
    """Maps to play, at least 1; the team changes from map to map."""
    first_map: int = 2000
    """Seed of the first map in the engine, at least 0, and not in training; compare versions on maps 0 to 99."""
    opponents: tuple[Side, ...] = ("nobody", "itself", "example")
    """The other team: without commands, with the same policy, or the official example agent."""
    replay: Path | None = None
    """File for the game on the first map against the last opponent: .html with the viewer, or .json for it."""


class Game(NamedTuple):
    """A game that has ended; pairs belong to team 0 and 1."""

    tiles: tuple[int, int]
    units: tuple[int, int]
    commands: list[tuple[list[str], list[str]]]
    """Of both teams in each turn."""


def load(
    run_dir: Path, which: Which = "final", seed: int | None = None, size: int | None = None
) -> TrainedPolicy:
    """The policy of a run. Raises `ConfigError` if it is of another environment, or not of maps of `size`."""
    policy = jaxdqn.load(run_dir, which, seed)
    name = policy.recipe.env_name
    if name not in ENVS:
        rule = f"must be the run of a training with --env {' or '.join(ENVS)}, not {name}."
        raise ConfigError("run_dir", run_dir, rule)
    if size not in (None, ENVS[name]):
        rule = f"must be {ENVS[name]}, the size of the maps on which the policy was trained."
        raise ConfigError("size", size, rule)
    return policy


def map_seeds(first: int, count: int, size: int) -> range:
    """The seeds of the engine for `count` maps. Raises `ConfigError` if a training map is among them."""
    check_at_least("first_map", first, 0)
    check_at_least("maps", count, 1)
    trained_on = maps.load(size, "train").seed
    low, high = trained_on.min(), trained_on.max()
    if first <= high and first + count > low:
        rule = f"must keep the {count} maps off those of training, {low} to {high}."
        raise ConfigError("first_map", first, rule)
    return range(first, first + count)


def play(lux: engine.Engine, seed: int, size: int, players: Sequence[Player]) -> Game:
    """Plays the map of `seed` of the engine to its end."""
    position, turns = lux.start(seed, size), []
    while not position.finished:
        ours, theirs = (player(position, len(turns)) for player in players)
        turns.append((ours, theirs))
        position = lux.step(ours, theirs)
    units = [unit.team for unit in position.units.values()]
    tiles = [city.team for city in position.cities.values() for _ in city.tiles]
    return Game((tiles.count(0), tiles.count(1)), (units.count(0), units.count(1)), turns)


def nobody(position: Position, turn: int) -> list[str]:
    """No commands."""
    del position, turn
    return []


def example(team: int) -> Player:
    """The official example agent; raises `RunError` if it is not where the wheel has it."""
    folder = engine.folder() / "test_agents" / "python"
    module = _module(folder / "simple_agent.py")

    def commands(position: Position, turn: int) -> list[str]:
        return module.agent(Observation(team, turn, position.updates), None)

    return commands


class Observation(dict[str, Any]):
    """What agents of Kaggle receive: a dictionary whose `player` is an attribute too."""

    def __init__(self, player: int, step: int, updates: list[str]) -> None:
        super().__init__(player=player, step=step, updates=updates)
        self.player = player


def _module(path: Path) -> Any:
    """A new module from the file at `path`, which imports from its own folder."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (OSError, ImportError) as error:
        rule = f"cannot be imported ({error}); delete {engine.CACHE} to download it again."
        raise RunError(f"The example agent {rule}") from None
    finally:
        sys.path.remove(str(path.parent))
    return module


def row(name: str, tiles: np.ndarray, units: np.ndarray) -> str:
    """A row of the table; `tiles` and `units` `[G, 2]` are those of the first and the second player."""
    ahead = 10_000 * (tiles[:, 0] - tiles[:, 1]) + units[:, 0] - units[:, 1]
    won = estimates.solve_rate((ahead > 0).tolist(), 1)
    draws = f"{100 * np.mean(ahead == 0):.0f} %"
    cells = [estimates.bootstrap(lambda rows, x=x: x[rows].mean(axis=-1), len(x)) for x in tiles.T]
    rate = f"{100 * won.value:.0f} % ({100 * won.low:.0f}–{100 * won.high:.0f})"
    means = [f"{mean.value:.2f} ({mean.low:.2f}–{mean.high:.2f})" for mean in cells]
    return f"| {' | '.join([name, str(len(tiles)), rate, draws, *means])} |"


@signals.ending_at_once("stopped.")
def main(args: Args) -> None:
    """Plays the games and prints a table."""
    require("epsilon", args.epsilon, *UNIT)
    if not args.opponents:
        raise ConfigError("opponents", args.opponents, "must name at least one.")
    if args.replay is not None and args.replay.is_dir():
        raise ConfigError("replay", args.replay, "must be a file, not a directory.")
    platform.configure()
    policy = load(args.run_dir, args.which, args.policy_seed, args.size)
    seeds = map_seeds(args.first_map, args.maps, args.size)

    act = policy.epsilon_greedy(args.epsilon)

    def ours(team: int) -> Player:
        return Team(lambda obs: int(act(obs)), team, args.size).commands

    sides: dict[Side, Callable[[int], Player]] = {
        "nobody": lambda team: nobody,
        "itself": ours,
        "example": example,
    }
    cli.say("| against | games | won (95 %) | drawn | city tiles (95 %) | the other's |")
    cli.say("|---|---|---|---|---|---|")
    with engine.run() as lux:
        for name in args.opponents:
            tiles, units = [], []
            for index, seed in enumerate(tqdm.tqdm(seeds, leave=False)):
                team = index % 2
                order = slice(None, None, 1 - 2 * team)
                players = (ours(team), sides[name](1 - team))[order]
                game = play(lux, seed, args.size, players)
                tiles.append(game.tiles[order])
                units.append(game.units[order])
                if index == 0 and name == args.opponents[-1] and args.replay:
                    names = "policy", name
                    found = replay.environment(seed, args.size, names, game.commands)
                    replay.write(args.replay, found)
            cli.say(row(name, np.array(tiles), np.array(units)))


if __name__ == "__main__":
    cli.main(Args, main)
