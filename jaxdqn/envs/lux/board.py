"""The state of a game and the geometry of its board.

A board of `size × size` cells is flat: cell `y * size + x` of `C = size²`, with y downwards.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.envs.lux import rules


class Workers(NamedTuple):
    """The workers of the team in U slots."""

    alive: jax.Array
    """`[U]` bool; the other fields of a free slot have no meaning."""
    cell: jax.Array
    """`[U]` int32."""
    cooldown: jax.Array
    """`[U]` int32, turns; below 1 a worker can act."""
    cargo: jax.Array
    """`[U, 3]` int32: wood, coal, uranium."""


class State(NamedTuple):
    """A game of one team; the other team has one worker on its one city tile, and never acts."""

    kind: jax.Array
    """`[C]` int32, `rules.WOOD` and so on; it stays when a cell is exhausted."""
    amount: jax.Array
    """`[C]` int32."""
    city: jax.Array
    """`[C]` int32, the city to which a tile of the team belongs; -1 where there is none."""
    tile_cooldown: jax.Array
    """`[C]` int32, turns; below 1 a city tile can act."""
    fuel: jax.Array
    """`[C]` int32, of city i; 0 where there is no such city."""
    upkeep: jax.Array
    """`[C]` int32, fuel a night turn, of city i; 0 where there is no such city."""
    workers: Workers
    research: jax.Array
    """`[]` int32, points."""
    opponent_cell: jax.Array
    """`[]` int32."""
    opponent_fuel: jax.Array
    """`[]` int32."""
    turn: jax.Array
    """`[]` int32."""
    over: jax.Array
    """`[]` bool."""


def start(
    kind: jax.Array, amount: jax.Array, home: jax.Array, opponent: jax.Array, max_workers: int
) -> State:
    """Turn 0 on a map: resources `[C]`, the first city tile of the team and that of the opponent."""
    cells = jnp.arange(len(kind))
    tile, first = cells == home, jnp.arange(max_workers) == 0
    zeros = jnp.zeros(max_workers, jnp.int32)
    workers = Workers(
        first, jnp.where(first, home, 0), zeros, jnp.zeros((max_workers, 3), jnp.int32)
    )
    nothing = jnp.zeros(len(kind), jnp.int32)
    return State(
        kind=kind.astype(jnp.int32),
        amount=amount.astype(jnp.int32),
        city=jnp.where(tile, home, -1).astype(jnp.int32),
        tile_cooldown=nothing,
        fuel=nothing,
        upkeep=jnp.where(tile, rules.CITY_UPKEEP, nothing),
        workers=workers,
        research=jnp.int32(0),
        opponent_cell=opponent.astype(jnp.int32),
        opponent_fuel=jnp.int32(0),
        turn=jnp.int32(0),
        over=jnp.bool(False),
    )


def is_night(turn: jax.Array) -> jax.Array:
    """The last 10 of every 40 turns."""
    return turn % rules.CYCLE >= rules.DAY_LENGTH


def night_turns(state: State) -> jax.Array:
    """Turns of night `[C]` int32 for which the city of each tile has fuel; 0 where there is no tile."""
    city = state.city
    return jnp.where(city >= 0, state.fuel[city] // jnp.maximum(state.upkeep[city], 1), 0)


def collectible(state: State) -> jax.Array:
    """Cells with a resource that the team can collect, `[C]` bool."""
    points = jnp.array([0, *(rules.RESEARCH_POINTS[kind] for kind in sorted(rules.FUEL))])
    return (state.amount > 0) & (state.research >= points[state.kind])


@functools.cache
def neighbours(num_cells: int) -> np.ndarray:
    """`[C, 5]`: a cell itself and those to the north, east, south and west; C outside the board."""
    size = math.isqrt(num_cells)
    table = np.full((num_cells, 5), num_cells, np.int32)
    for cell in range(num_cells):
        y, x = divmod(cell, size)
        for i, (dy, dx) in enumerate([(0, 0), (-1, 0), (0, 1), (1, 0), (0, -1)]):
            if 0 <= y + dy < size and 0 <= x + dx < size:
                table[cell, i] = cell + dy * size + dx
    return table


def look(values: jax.Array, cell: jax.Array, outside: int | bool) -> jax.Array:
    """`values[cell]`, and `outside` for cells outside the board."""
    return values.at[cell].get(mode="fill", fill_value=outside)
