"""One turn of a game, in the order of the official engine."""

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import cities, collection, movement, rules
from jaxdqn.envs.lux.board import State, Workers, is_night


def play(state: State, worker_action: jax.Array, tile_action: jax.Array) -> State:
    """The next turn after the actions of workers `[U]` and city tiles `[C]`; illegal ones do nothing."""
    builds = can_build(state) & (worker_action == rules.BUILD_CITY)
    cell, moved = movement.resolve(state, worker_action)
    state = cities.act(state, tile_action)
    spent = jnp.where(is_night(state.turn), 2, 1) * rules.WORKER_COOLDOWN
    workers = state.workers
    cooldown = workers.cooldown + jnp.where(moved | builds, spent, 0)
    workers = workers._replace(cell=jnp.where(moved, cell, workers.cell), cooldown=cooldown)
    state = cities.build_all(state._replace(workers=workers), builds)
    state = collection.deposit(collection.collect(state))
    night = is_night(state.turn)
    state = jax.tree.map(lambda x, y: jnp.where(night, x, y), _night(state), state)
    state = _grow(state)
    return _advance(state)


def can_build(state: State) -> jax.Array:
    """Which workers can build a city tile: `[U]` bool."""
    workers = state.workers
    empty = (state.city < 0) & (state.amount == 0)
    paid = jnp.sum(workers.cargo, axis=1) >= rules.CITY_COST
    return workers.alive & (workers.cooldown < 1) & paid & empty[workers.cell]


def _night(state: State) -> State:
    """Cities and the workers outside of them use fuel, or are lost."""
    state = cities.pay_upkeep(state)
    workers = state.workers
    outside = workers.alive & (state.city[workers.cell] < 0)
    survives, cargo = spend(workers.cargo)
    lost = state.opponent_fuel < rules.CITY_UPKEEP
    return state._replace(
        workers=workers._replace(
            alive=workers.alive & (survives | ~outside),
            cargo=jnp.where(outside[:, None], cargo, workers.cargo),
        ),
        opponent_fuel=state.opponent_fuel - rules.CITY_UPKEEP,
        over=state.over | lost,
    )


def spend(cargo: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether a cargo `[U, 3]` keeps its worker alive for a turn of the night, and what is left of it."""
    need = jnp.full(len(cargo), rules.WORKER_UPKEEP)
    left = []
    for kind in (rules.WOOD, rules.COAL, rules.URANIUM):
        fuel, held = rules.FUEL[kind], cargo[:, kind - 1]
        used = jnp.minimum(held, (jnp.maximum(need, 0) + fuel - 1) // fuel)
        need = need - used * fuel
        left.append(held - used)
    return need <= 0, jnp.stack(left, axis=1)


def _grow(state: State) -> State:
    """Wood below its maximum grows by a 40th, rounded up."""
    amount = state.amount
    grown = jnp.minimum(amount + (amount + 39) // 40, rules.MAX_GROWING_WOOD)
    grows = (state.kind == rules.WOOD) & (amount < rules.MAX_GROWING_WOOD)
    return state._replace(amount=jnp.where(grows, grown, amount))


def _advance(state: State) -> State:
    """The next turn; the game ends after the last one, or when a team has nothing left."""
    nothing = ~jnp.any(state.workers.alive) & ~jnp.any(state.city >= 0)
    return state._replace(
        over=state.over | nothing | (state.turn >= rules.MAX_TURNS - 1),
        turn=state.turn + 1,
        workers=_cool_down(state, state.workers),
    )


def _cool_down(state: State, workers: Workers) -> Workers:
    """A turn passes; in a city, whose tiles are roads, the cooldown ends at once."""
    inside = state.city[workers.cell] >= 0
    cooldown = jnp.where(inside, 0, jnp.maximum(workers.cooldown - 1, 0))
    return workers._replace(cooldown=cooldown)
