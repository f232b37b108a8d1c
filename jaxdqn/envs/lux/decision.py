"""Lux as an environment of few actions: one worker of the team decides at a time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.envs.env import Env
from jaxdqn.envs.lux import board, maps, observation, render, rules, turn
from jaxdqn.envs.lux.board import State

NUM_ACTIONS = 6
"""Stay, north, east, south, west, build a city tile; an illegal action is to stay."""
OPPONENT_FUEL = rules.MAX_TURNS * rules.CITY_UPKEEP
"""Enough for the whole game, which would otherwise end with the opponent."""


class Decision(NamedTuple):
    """A game, and the decisions of its turn so far."""

    game: State
    chosen: jax.Array
    """`[U]` int32, actions of the workers; those that have not decided stay."""
    worker: jax.Array
    """`[]` int32, the one that decides."""


def make(size: int = 12, split: str = "train") -> Env:
    """The reward is the change of `potential`: the sum is the number of city tiles at the end, less a half.

    Workers that can act decide one after the other, in the order of their slots; then the turn is
    played, and turns in which no worker can act. City tiles follow `tile_rule`. An episode starts on a
    random map of `split`, turned or mirrored at random, and ends with the game. Observation:
    `observation.observe`. Raises `ValueError` as `maps.load` does.
    """
    read = maps.load(size, split)
    symmetries = jnp.asarray(board_symmetries(size))
    inverses = jnp.argsort(symmetries, axis=1)

    def reset(key: jax.Array) -> Decision:
        map_key, symmetry_key = jax.random.split(key)
        i = jax.random.randint(map_key, (), 0, len(read.seed))
        j = jax.random.randint(symmetry_key, (), 0, len(symmetries))
        kind, amount, home, opponent = (jnp.asarray(x)[i] for x in read[1:])
        turned = kind[symmetries[j]], amount[symmetries[j]]
        game = board.start(*turned, inverses[j][home], inverses[j][opponent], rules.MAX_WORKERS)
        return first(game._replace(opponent_fuel=jnp.int32(OPPONENT_FUEL)))

    def observe(state: Decision) -> jax.Array:
        opponents = jnp.arange(size**2) == state.game.opponent_cell
        return observation.observe(state.game, state.worker, state.chosen, opponents)

    return Env(
        reset,
        step,
        observe,
        NUM_ACTIONS,
        render=lambda state: render.draw(state.game),
        time=lambda state: state.game.turn,
    )


def first(game: State) -> Decision:
    """The first decision of a turn."""
    return Decision(game, jnp.zeros(rules.MAX_WORKERS, jnp.int32), jnp.argmax(ready(game)))


def step(
    key: jax.Array, state: Decision, action: jax.Array
) -> tuple[Decision, jax.Array, jax.Array]:
    """One decision; the rules have no randomness."""
    slots = jnp.arange(rules.MAX_WORKERS)
    chosen = jnp.where(slots == state.worker, action, state.chosen)
    later = ready(state.game) & (slots > state.worker)

    def play(carry: tuple[State, jax.Array, jax.Array]) -> tuple[State, jax.Array, jax.Array]:
        game, chosen, _ = carry
        game = turn.play(game, chosen, tile_rule(game))
        return game, jnp.zeros_like(chosen), ~game.over & ~jnp.any(ready(game))

    carry = state.game, chosen, ~jnp.any(later)
    game, chosen, _ = jax.lax.while_loop(lambda carry: carry[2], play, carry)
    worker = jnp.argmax(jnp.where(jnp.any(later), later, ready(game)))
    reward = potential(game) - potential(state.game)
    return Decision(game, chosen, worker), reward, game.over


def ready(game: State) -> jax.Array:
    """Workers that can act, `[U]` bool."""
    return game.workers.alive & (game.workers.cooldown < 1)


def num_tiles(game: State) -> jax.Array:
    """City tiles of the team, `[]` int32."""
    return jnp.sum(game.city >= 0)


def potential(game: State) -> jax.Array:
    """`[]` float32: city tiles, of which those without fuel for a night count half, and a tenth for each full cargo.

    At the end of the game city tiles alone. Differences of a potential leave the best policy the same
    without a discount, Ng et al. (1999).
    """
    stored = jnp.minimum(game.fuel / jnp.maximum(game.upkeep * rules.NIGHT_LENGTH, 1), 1.0)
    tiles = jnp.sum(jnp.where(game.city >= 0, 1.0 + stored[game.city], 0.0)) / 2
    cargo = jnp.sum(jnp.where(game.workers.alive[:, None], game.workers.cargo, 0))
    running = tiles + cargo / (10 * rules.CAPACITY)
    return jnp.where(game.over, num_tiles(game).astype(jnp.float32), running)


def tile_rule(game: State) -> jax.Array:
    """Actions of the city tiles, `[C]`: build a worker if allowed, else research until all is known."""
    can_act = (game.city >= 0) & (game.tile_cooldown < 1)
    num_workers = jnp.sum(game.workers.alive)
    places = jnp.minimum(num_tiles(game), rules.MAX_WORKERS) - num_workers
    unknown = game.research < rules.RESEARCH_POINTS[rules.URANIUM]
    other = jnp.where(unknown, rules.RESEARCH, rules.REST)
    return jnp.where(jnp.cumsum(can_act) <= places, rules.BUILD_WORKER, other)


def board_symmetries(size: int) -> np.ndarray:
    """`[8, C]`: the cells of a board in the order of its eight rotations and reflections."""
    cells = np.arange(size**2).reshape(size, size)
    turned = [np.rot90(x, k) for x in (cells, cells.T) for k in range(4)]
    return np.stack([x.ravel() for x in turned])
