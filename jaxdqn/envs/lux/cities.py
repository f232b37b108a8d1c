"""Cities: groups of adjacent city tiles that share their fuel, and what their tiles do."""

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules
from jaxdqn.envs.lux.board import State, Workers, look, neighbours


def act(state: State, action: jax.Array) -> State:
    """City tiles research and build workers, `action [C]`; then their cooldown goes on.

    A team has at most as many workers as city tiles, and as slots; tiles build in the order of their
    cells. Illegal actions do nothing.
    """
    workers = state.workers
    ready = (state.city >= 0) & (state.tile_cooldown < 1)
    free = len(workers.alive) - jnp.sum(workers.alive)
    places = jnp.minimum(jnp.sum(state.city >= 0) - jnp.sum(workers.alive), free)
    builds = ready & (action == rules.BUILD_WORKER)
    builds &= jnp.cumsum(builds) <= places
    researches = ready & (action == rules.RESEARCH)
    cooldown = jnp.where(builds | researches, rules.CITY_COOLDOWN, state.tile_cooldown)
    return state._replace(
        workers=_spawn(workers, builds),
        research=state.research + jnp.sum(researches),
        tile_cooldown=jnp.maximum(cooldown - 1, 0),
    )


def build(state: State, cell: jax.Array) -> State:
    """A city tile at `cell []`: a new city, or a part of those that it touches, which become one."""
    city, fuel, upkeep = state.city, state.fuel, state.upkeep
    near = look(city, jnp.asarray(neighbours(len(city)))[cell, 1:], -1)
    name = jnp.where(jnp.any(near >= 0), jnp.max(near), cell)
    names = jnp.arange(len(city))
    joined = jnp.any(names[:, None] == near[None], axis=1)
    tiles = jnp.any((city[:, None] == near[None]) & (near >= 0)[None], axis=1) | (names == cell)
    # The new tile, and each of its neighbours, pays less for each other.
    cost = rules.CITY_UPKEEP - 2 * rules.ADJACENCY_BONUS * jnp.sum(near >= 0)

    def merge(values: jax.Array, more: jax.Array | int) -> jax.Array:
        total = jnp.sum(jnp.where(joined, values, 0)) + more
        return jnp.where(names == name, total, jnp.where(joined, 0, values))

    return state._replace(
        city=jnp.where(tiles, name, city), fuel=merge(fuel, 0), upkeep=merge(upkeep, cost)
    )


def build_all(state: State, builds: jax.Array) -> State:
    """A city tile on the cell of each worker with `builds [U]`, paid with its whole cargo."""
    workers = state.workers
    cargo = jnp.where(builds[:, None], 0, workers.cargo)

    def build_next(carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        state, waiting = carry
        i = jnp.argmax(waiting)
        return build(state, workers.cell[i]), waiting & (jnp.arange(len(waiting)) != i)

    state, _ = jax.lax.while_loop(lambda carry: jnp.any(carry[1]), build_next, (state, builds))
    return state._replace(workers=workers._replace(cargo=cargo))


def pay_upkeep(state: State) -> State:
    """A turn of the night: a city that cannot pay vanishes."""
    dark = state.fuel < state.upkeep
    lost = (state.city >= 0) & dark[state.city]
    return state._replace(
        city=jnp.where(lost, -1, state.city),
        tile_cooldown=jnp.where(lost, 0, state.tile_cooldown),
        fuel=jnp.where(dark, 0, state.fuel - state.upkeep),
        upkeep=jnp.where(dark, 0, state.upkeep),
    )


def _spawn(workers: Workers, builds: jax.Array) -> Workers:
    """A worker on each cell of `builds [C]`: the first of them in the first free slot, and so on."""
    rank = jnp.where(builds, jnp.cumsum(builds), 0)
    slot = jnp.where(workers.alive, -1, jnp.cumsum(~workers.alive))
    born = slot[:, None] == rank[None]
    new = jnp.any(born, axis=1)
    cell = jnp.sum(jnp.where(born, jnp.arange(len(builds))[None], 0), axis=1)
    return Workers(
        alive=workers.alive | new,
        cell=jnp.where(new, cell, workers.cell),
        cooldown=jnp.where(new, 0, workers.cooldown),
        cargo=jnp.where(new[:, None], 0, workers.cargo),
    )
