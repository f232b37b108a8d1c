"""Orders to workers, `rules.ORDERS`: how they are followed, and when they end."""

import math

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules, turn
from jaxdqn.envs.lux.board import State, collectible, is_night, look, neighbours, night_turns


def actions(state: State, order: jax.Array) -> jax.Array:
    """The actions `[U]` of workers that follow `order [U]`, one after the other.

    A worker on its way does not wait: where the cells ahead are occupied, it steps aside or back.
    """
    workers, outside, can_build = state.workers, state.city < 0, turn.can_build(state)
    ways, table = distances(state), jnp.asarray(neighbours(len(outside)))
    acts = workers.alive & (workers.cooldown < 1) & (order != rules.NO_ORDER)
    delivers = _indices(rules.DELIVER)[order]
    builds = delivers >= rules.GOALS.index("edge of a city")
    enough = jnp.where(is_night(state.turn) & ~builds, rules.ENOUGH, rules.CAPACITY)
    full = jnp.sum(workers.cargo, axis=1) >= enough
    goal = jnp.where(full, delivers, _indices(rules.COLLECT)[order])
    no_way = ways[delivers, workers.cell] == len(outside)
    goal = jnp.where(full & no_way, rules.GOALS.index("city"), goal)
    # A resource is collected from the cells beside it too, but a city on the way would take it at once.
    keeps = outside[workers.cell] | (ways[delivers, workers.cell] == 0)
    reach = jnp.where((goal <= rules.GOALS.index("known resource")) & keeps, 1, 0)

    around = table[workers.cell]
    steps = ways.at[goal[:, None], around].get(mode="fill", fill_value=len(outside))
    there = steps[:, rules.STAY] <= reach
    steps = steps.at[:, rules.STAY].set(jnp.where(there, steps[:, rules.STAY], len(outside)))
    build = acts & builds & there & can_build
    cells = jnp.arange(len(outside))

    def follow(held: jax.Array, worker: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        around, steps, goes = worker
        closed = look(held, around, True).at[rules.STAY].set(False)
        action = jnp.where(goes, jnp.argmin(jnp.where(closed, len(cells), steps)), rules.STAY)
        left, entered = cells == around[rules.STAY], (cells == around[action]) & outside
        return jnp.where(action == rules.STAY, held, held & ~left | entered), action

    taken = jnp.any(workers.alive[None] & (workers.cell[None] == cells[:, None]), axis=1)
    held = taken & outside | (cells == state.opponent_cell)
    _, action = jax.lax.scan(follow, held, (around, steps, acts & ~build))
    return jnp.where(build, rules.BUILD_CITY, action)


def distances(state: State) -> jax.Array:
    """Steps `[len(rules.GOALS), C]` to the nearest cell of each goal, by `flood`.

    Ways go around the city of the opponent and around cities of the team that would take the cargo: to a cell to
    build on around all of them, to the poorest around all others.
    """
    cells, tile = len(state.city), state.city >= 0
    opponent = jnp.arange(cells) == state.opponent_cell

    def beside(goal: jax.Array) -> jax.Array:
        return jnp.any(look(goal, jnp.asarray(neighbours(cells)), False), axis=1)

    known, empty = collectible(state), ~tile & ~opponent & (state.amount == 0)
    edge = empty & beside(tile)
    left = night_turns(state)
    poorest = tile & (left == jnp.min(left, where=tile, initial=jnp.iinfo(jnp.int32).max))
    goals = {
        **{rules.GOALS[kind - 1]: known & (state.kind == kind) for kind in rules.FUEL},
        "known resource": known,
        "city": tile,
        "poorest city": poorest,
        "edge of a city": jnp.where(jnp.any(edge), edge, empty),
        "edge of a resource": empty & beside(known),
    }
    takes = {"poorest city": tile & ~poorest, "edge of a city": tile, "edge of a resource": tile}
    walls = {name: opponent | takes.get(name, False) for name in goals}
    stacked = (jnp.stack([cells[name] for name in rules.GOALS]) for cells in (goals, walls))
    return flood(*stacked)


def flood(goals: jax.Array, walls: jax.Array) -> jax.Array:
    """Steps `[G, C]` around `walls [G, C]` to the nearest cell of `goals [G, C]`.

    C if there are `2 size` or more, or no way. A row of a board is an integer with one bit per cell, so that a
    breadth-first search from all goals takes a few operations per step, on all G boards at once.
    """
    size = math.isqrt(goals.shape[1])
    column = jnp.arange(size, dtype=jnp.uint32)[None, :, None]

    def rows(cells: jax.Array) -> jax.Array:
        bits = cells.T.reshape(size, size, -1).astype(jnp.uint32) << column
        return jnp.sum(bits, axis=1, dtype=jnp.uint32)

    def spread(reached: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        north = jnp.pad(reached[1:], ((0, 1), (0, 0)))
        south = jnp.pad(reached[:-1], ((1, 0), (0, 0)))
        around = reached << 1 | reached >> 1 | north | south
        return (reached | around) & free, reached

    free = rows(~walls)
    _, reached = jax.lax.scan(spread, rows(goals & ~walls), length=2 * size)
    waiting = ~reached[:, :, None] >> column[None] & 1
    steps = jnp.sum(waiting, axis=0, dtype=jnp.int32).reshape(size**2, -1).T
    return jnp.where(steps < 2 * size, steps, size**2)


def ended(before: State, after: State) -> jax.Array:
    """Which workers need a new order after a turn, `[U]` bool: those that came into a city, and one in rotation."""

    def inside(state: State) -> jax.Array:
        return state.city[state.workers.cell] >= 0

    alive = after.workers.alive
    place, number = jnp.cumsum(alive) - 1, jnp.maximum(jnp.sum(alive), 1)
    came = inside(after) & ~inside(before)
    return came | ~alive | (place == after.turn % number)


def _indices(goals: tuple[str, ...]) -> jax.Array:
    """Of the goals of each order in `rules.GOALS`, and one for no order."""
    return jnp.array([*map(rules.GOALS.index, goals), 0])
