"""Lux as an environment of few actions: one worker of the team decides at a time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.envs.env import Env
from jaxdqn.envs.lux import board, maps, observation, orders, render, rules, turn
from jaxdqn.envs.lux.board import State

OPPONENT_FUEL = rules.MAX_TURNS * rules.CITY_UPKEEP
"""Enough for the whole game, which would otherwise end with the opponent."""


class Decision(NamedTuple):
    """A game, the orders of its workers, and the one that gets the next."""

    game: State
    order: jax.Array
    """`[U]` int32, `rules.ORDERS` or `rules.NO_ORDER`."""
    worker: jax.Array
    """`[]` int32, the one that gets an order."""


def make(size: int = 12, split: str = "train") -> Env:
    """The reward is the change of `potential`.

    The undiscounted return is log2(1 + n) of the n city tiles at the end, less log2(1.5). Workers
    that can act and have no order get an order one after the other, in the order of their slots; then turns are
    played until one waits for an order. City tiles follow `tile_rule`. An episode starts on a
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
        return observation.observe(state.game, state.worker, state.order, opponents)

    return Env(
        reset,
        step,
        observe,
        len(rules.ORDERS),
        render=lambda state: render.draw(state.game),
        time=lambda state: state.game.turn,
    )


def first(game: State) -> Decision:
    """The first decision of a game."""
    order = jnp.full(rules.MAX_WORKERS, rules.NO_ORDER)
    return Decision(game, order, jnp.argmax(waits(game, order)))


def step(
    key: jax.Array, state: Decision, action: jax.Array
) -> tuple[Decision, jax.Array, jax.Array]:
    """One decision: `action []` is an order of `rules.ORDERS`. The rules have no randomness."""

    def play(carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        before, order = carry
        game = turn.play(before, orders.actions(before, order), tile_rule(before))
        return game, jnp.where(orders.ended(before, game), rules.NO_ORDER, order)

    def idle(carry: tuple[State, jax.Array]) -> jax.Array:
        return ~carry[0].over & ~jnp.any(waits(*carry))

    order = state.order.at[state.worker].set(action)
    game, order = jax.lax.while_loop(idle, play, (state.game, order))
    reward = potential(game) - potential(state.game)
    return Decision(game, order, jnp.argmax(waits(game, order))), reward, game.over


def waits(game: State, order: jax.Array) -> jax.Array:
    """Workers that can act and have no order, `[U]` bool."""
    return game.workers.alive & (game.workers.cooldown < 1) & (order == rules.NO_ORDER)


def num_tiles(game: State) -> jax.Array:
    """City tiles of the team, `[]` int32."""
    return jnp.sum(game.city >= 0)


def potential(game: State) -> jax.Array:
    """`[]` float32: log2(1 + n), of n city tiles.

    Before the end a tile counts from a half, without fuel, to one, with fuel for a night, and 100 units of cargo a
    tenth of a tile. Because of the logarithm, the loss of one of the last tiles costs more than one more tile
    gains. Without a discount, differences of a potential leave the best policy the same, Ng et al. (1999).
    """
    stored = jnp.minimum(game.fuel / jnp.maximum(game.upkeep * rules.NIGHT_LENGTH, 1), 1.0)
    tiles = jnp.sum(jnp.where(game.city >= 0, 1.0 + stored[game.city], 0.0)) / 2
    cargo = jnp.sum(jnp.where(game.workers.alive[:, None], game.workers.cargo, 0))
    running = tiles + cargo / (10 * rules.CAPACITY)
    return jnp.log2(1 + jnp.where(game.over, num_tiles(game), running))


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
