"""Collection of resources: who asks for how much of which cell, and how a cell is shared."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules
from jaxdqn.envs.lux.board import State, look, neighbours


class Requests(NamedTuple):
    """What R collectors ask of the cell on which they are and of the four beside it."""

    cell: jax.Array
    """`[R, 5]`; C outside the board."""
    asks: jax.Array
    """`[R, 5]` bool."""
    amount: jax.Array
    """`[R]` int32, from each of these cells; it may be 0."""


def collect(state: State) -> State:
    """Uranium, then coal, then wood goes to the cargo of workers and to the cities in which they are."""
    for kind in (rules.URANIUM, rules.COAL, rules.WOOD):
        state = collect_kind(state, kind)
    return state


def collect_kind(state: State, kind: int) -> State:
    """As `collect`, of one kind."""
    workers, fuel = state.workers, rules.FUEL[kind]
    space = rules.CAPACITY - jnp.sum(workers.cargo, axis=1)
    city = state.city[workers.cell]
    ask = request(state, kind)
    # The largest array of a turn, in bytes so that many games stay in the cache.
    counts = jnp.zeros((rules.COLLECTION_RATE[kind] + 1, len(state.kind)), jnp.int8)
    counts = counts.at[ask.amount[:, None], ask.cell].add(ask.asks.astype(jnp.int8), mode="drop")
    level, left = share(state.amount, counts)
    given = jnp.minimum(look(level, ask.cell, 0), ask.amount[:, None])
    got = jnp.sum(jnp.where(ask.asks, given, 0), axis=1)
    theirs, ours = got[0], got[1:]
    cargo = jnp.where(city < 0, jnp.minimum(ours, space), 0)
    paid = jnp.where(city < 0, 0, ours) * fuel
    return state._replace(
        amount=left,
        fuel=state.fuel.at[city].add(paid),
        opponent_fuel=state.opponent_fuel + theirs * fuel,
        workers=workers._replace(cargo=workers.cargo.at[:, kind - 1].add(cargo)),
    )


def request(state: State, kind: int) -> Requests:
    """The requests of the opponent's worker, then those of the team's workers: R = 1 + U.

    A worker asks each of its n cells with this resource for what fills its cargo, divided by n and
    rounded up. Of equal requests from the same city tile one counts.
    """
    workers = state.workers
    needed = rules.RESEARCH_POINTS[kind]
    where = jnp.concatenate([state.opponent_cell[None], workers.cell])
    cargo = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.sum(workers.cargo, axis=1)])
    able = jnp.concatenate([jnp.array([needed == 0]), workers.alive & (state.research >= needed)])
    cell = jnp.asarray(neighbours(len(state.kind)))[where]
    source = look((state.kind == kind) & (state.amount > 0), cell, False)
    n = jnp.maximum(jnp.sum(source, axis=1), 1)
    space = rules.CAPACITY - cargo
    amount = jnp.minimum((space + n - 1) // n, rules.COLLECTION_RATE[kind])
    same = (where[:, None] == where[None]) & (amount[:, None] == amount[None]) & able[None]
    again = jnp.any(jnp.tril(same, k=-1), axis=1) & (state.city[where] >= 0)
    return Requests(cell, source & (able & ~again)[:, None], amount)


def share(amount: jax.Array, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Shares cells among requests: `counts[k, c]` requests ask cell c for exactly k units.

    Returns `level [C]`, which each request receives at most, and `left [C]`. One unit after the other
    goes to all who still wait for one; when there is no longer one for each, the rest is lost.
    """
    waiting = jnp.sum(counts, axis=0, dtype=jnp.int32)
    asked = waiting > counts[0]
    enough = waiting <= amount
    level, left = jnp.zeros_like(amount), amount
    for k in range(1, len(counts)):
        waiting = waiting - counts[k - 1]
        level, left = level + enough, left - jnp.where(enough, waiting, 0)
        enough &= left >= waiting
    return level, jnp.where(asked & ~enough, 0, left)


def deposit(state: State) -> State:
    """Workers in a city turn their cargo into its fuel."""
    workers = state.workers
    city = state.city[workers.cell]
    inside = workers.alive & (city >= 0)
    value = workers.cargo @ jnp.array([rules.FUEL[k] for k in sorted(rules.FUEL)])
    return state._replace(
        fuel=state.fuel.at[city].add(jnp.where(inside, value, 0)),
        workers=workers._replace(cargo=jnp.where(inside[:, None], 0, workers.cargo)),
    )
