"""Small boards of Lux."""

import jax.numpy as jnp

from jaxdqn.envs.lux import board

SIZE = 6
CENTRE = 14
"""The cell `(2, 2)`."""


def state(
    resources=(), home=0, opponent=35, workers=((0, (0, 0, 0)),), cities=(), slots=6, **fields
):
    """Turn 0; `resources` are `(cell, kind, amount)`, workers `(cell, cargo)`, cities `(tiles, fuel)`.

    Without `cities` the home is the only city.
    """
    kind, amount = [0] * SIZE**2, [0] * SIZE**2
    for cell, what, much in resources:
        kind[cell], amount[cell] = what, much
    arrays = map(jnp.array, (kind, amount, home, opponent))
    start = board.start(*arrays, max_workers=slots)
    cells, cargo = zip(*workers, strict=True)
    free = slots - len(workers)
    start = start._replace(
        workers=board.Workers(
            jnp.arange(slots) < len(workers),
            jnp.array([*cells, *[0] * free]),
            jnp.zeros(slots, jnp.int32),
            jnp.array([*cargo, *[(0, 0, 0)] * free]),
        ),
        **{name: jnp.asarray(value) for name, value in fields.items()},
    )
    return with_cities(start, cities) if cities else start


def with_cities(state, cities):
    """`state` with these cities in place of its own."""
    city, fuel, upkeep = [-1] * SIZE**2, [0] * SIZE**2, [0] * SIZE**2
    for tiles, stored in cities:
        name = tiles[0]
        fuel[name] = stored
        for tile in tiles:
            city[tile] = name
            beside = set(tiles) & set(board.neighbours(SIZE**2)[tile, 1:].tolist())
            upkeep[name] += 23 - 5 * len(beside)
    return state._replace(city=jnp.array(city), fuel=jnp.array(fuel), upkeep=jnp.array(upkeep))


def lines(state, team):
    """What the engine says about `state`, whose workers `u_TEAM_SLOT` and cities belong to `team`."""
    size = round(len(state.kind) ** 0.5)
    kinds = ("", "wood", "coal", "uranium")
    at = {cell: f"{cell % size} {cell // size}" for cell in range(size**2)}
    other, opponent = 1 - team, at[int(state.opponent_cell)]
    said = ["0", f"{size} {size}", f"rp {team} {state.research}", f"rp {other} 0"]
    for cell in range(size**2):
        if state.amount[cell] > 0:
            said.append(f"r {kinds[state.kind[cell]]} {at[cell]} {state.amount[cell]}")
    workers = state.workers
    for slot in range(len(workers.alive)):
        if workers.alive[slot]:
            cargo = " ".join(str(x) for x in workers.cargo[slot])
            here = at[int(workers.cell[slot])]
            said.append(f"u 0 {team} u_{team}_{slot} {here} {workers.cooldown[slot]} {cargo}")
    said.append(f"u 0 {other} u_{other} {opponent} 0 0 0 0")
    for city in sorted({int(c) for c in state.city if c >= 0}):
        said.append(f"c {team} c_{city} {state.fuel[city]} {state.upkeep[city]}")
    said.append(f"c {other} c_other {state.opponent_fuel} 23")
    for cell in range(size**2):
        if state.city[cell] >= 0:
            cooldown = state.tile_cooldown[cell]
            said.append(f"ct {team} c_{int(state.city[cell])} {at[cell]} {cooldown}")
    said.append(f"ct {other} c_other {opponent} 0")
    return [*said, "D_DONE"]
