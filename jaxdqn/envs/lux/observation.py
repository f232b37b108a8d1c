"""What the worker that decides sees: the map centred on itself, and numbers as constant planes."""

import math

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules, turn
from jaxdqn.envs.lux.board import State, collectible, is_night, night_turns

MAP = (
    "inside the board",
    "wood",
    "coal",
    "uranium",
    "city tile",
    f"nights for which its city has fuel, up to {rules.MOST_NIGHTS}",
    "city tile of the opponent",
    "worker",
    "its cargo",
    "worker that brings fuel to a city",
    "worker that will build a city tile",
)
NUMBERS = (
    "wood in the cargo",
    "coal in the cargo",
    "uranium in the cargo",
    "can build a city tile here",
    "turn of the day and night",
    "night",
    "turn of the game",
    "research towards coal",
    "research towards uranium",
    "workers per city tile",
    "workers that bring fuel to a city, per worker",
    "workers that will build a city tile, per worker",
    f"city tiles, up to {rules.MOST_TILES}",
    "fuel of the cities for a night, each at most what it needs",
    "turns of night for which the poorest city has fuel, up to two nights",
    "steps south to the nearest city tile",
    "steps east to the nearest city tile",
    "steps south to the nearest resource that can be collected",
    "steps east to the nearest resource that can be collected",
)
CHANNELS = (*MAP, *NUMBERS)


def observe(state: State, worker: jax.Array, order: jax.Array, opponents: jax.Array) -> jax.Array:
    """The observation of `worker []`: uint8 `[11, 11, 30]`, whose channels are `CHANNELS` from 0 to 255.

    `order [U]` are the orders of all workers, `opponents [C]` the city tiles of the other team.
    """
    size = math.isqrt(len(state.kind))
    planes = _map_planes(state, order, opponents).reshape(len(MAP), size, size)
    planes = jnp.pad(planes, [(0, 0), (rules.RADIUS, rules.RADIUS), (rules.RADIUS, rules.RADIUS)])
    y, x = jnp.divmod(state.workers.cell[worker], size)
    side = 2 * rules.RADIUS + 1
    seen = jax.lax.dynamic_slice(planes, (0, y, x), (len(MAP), side, side))
    numbers = jnp.broadcast_to(
        _numbers(state, worker, order)[:, None, None], (len(NUMBERS), side, side)
    )
    return jnp.moveaxis(jnp.concatenate([seen, numbers]), 0, -1)


def _map_planes(state: State, order: jax.Array, opponents: jax.Array) -> jax.Array:
    """`[len(MAP), C]` uint8."""
    workers, here = state.workers, jnp.zeros(len(state.kind), jnp.uint8)
    present = jnp.where(workers.alive, workers.cell, len(here))
    cargo = byte(jnp.sum(workers.cargo, axis=1), rules.CAPACITY)
    lasts = byte(state.fuel, jnp.maximum(rules.MOST_NIGHTS * rules.NIGHT_LENGTH * state.upkeep, 1))
    stock = byte(state.amount, rules.MAX_GROWING_WOOD)
    return jnp.stack(
        [
            jnp.full_like(here, 255),
            *(jnp.where(state.kind == k, stock, 0) for k in sorted(rules.FUEL)),
            byte(state.city >= 0, 1),
            jnp.where(state.city >= 0, lasts[state.city], 0),
            byte(opponents, 1),
            here.at[present].set(255, mode="drop"),
            here.at[present].max(cargo, mode="drop"),
            *(
                here.at[jnp.where(do, present, len(here))].set(255, mode="drop")
                for do in _tasks(order)
            ),
        ]
    )


def _tasks(order: jax.Array) -> list[jax.Array]:
    """Which of `order [U]` belong to each of `rules.TASKS`: `[U]` bool."""
    return [jnp.isin(order, jnp.array(task)) for task in rules.TASKS]


def _numbers(state: State, worker: jax.Array, order: jax.Array) -> jax.Array:
    """`[len(NUMBERS)]` uint8."""
    workers, tile = state.workers.alive, state.city >= 0
    tiles, team = jnp.sum(tile), jnp.sum(workers)
    need, two_nights = rules.NIGHT_LENGTH * state.upkeep, 2 * rules.NIGHT_LENGTH
    numbers = [
        *((state.workers.cargo[worker, kind - 1], rules.CAPACITY) for kind in sorted(rules.FUEL)),
        (turn.can_build(state)[worker], 1),
        (state.turn % rules.CYCLE, rules.CYCLE),
        (is_night(state.turn), 1),
        (state.turn, rules.MAX_TURNS),
        *((state.research, rules.RESEARCH_POINTS[kind]) for kind in (rules.COAL, rules.URANIUM)),
        (team, jnp.maximum(tiles, 1)),
        *((jnp.sum(workers & do), jnp.maximum(team, 1)) for do in _tasks(order)),
        (tiles, rules.MOST_TILES),
        (jnp.sum(jnp.minimum(state.fuel, need)), jnp.maximum(jnp.sum(need), 1)),
        (jnp.min(night_turns(state), where=tile, initial=two_nights), two_nights),
        *_steps_to_nearest(tile, state.workers.cell[worker]),
        *_steps_to_nearest(collectible(state), state.workers.cell[worker]),
    ]
    return jnp.stack([byte(part, whole) for part, whole in numbers])


def _steps_to_nearest(goal: jax.Array, cell: jax.Array) -> list[tuple[jax.Array, int]]:
    """Steps to the south and to the east from `cell []` to the nearest cell of `goal [C]`, the first of equal ones.

    Each as a part of twice the size of the board: a half is no step, less is north or west. Without a goal
    there is no step.
    """
    size = math.isqrt(len(goal))
    y, x = jnp.divmod(jnp.arange(len(goal)), size)
    south, east = y - cell // size, x - cell % size
    nearest = jnp.argmin(jnp.where(goal, abs(south) + abs(east), 2 * size))
    steps = [jnp.where(jnp.any(goal), part[nearest], 0) for part in (south, east)]
    return [(size + part, 2 * size) for part in steps]


def byte(part: jax.Array, whole: jax.Array | int) -> jax.Array:
    """`part / whole` of integers, at most 1, as 0 to 255, rounded up: uint8."""
    return ((jnp.minimum(part, whole) * 255 + whole - 1) // whole).astype(jnp.uint8)
