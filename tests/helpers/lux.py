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
