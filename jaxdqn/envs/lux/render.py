"""Image of a game."""

import math

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules
from jaxdqn.envs.lux.board import State, is_night

CELL = 16
"""Pixels."""
GROUND, NIGHT = (236, 230, 214), (120, 126, 150)
COLORS = {rules.WOOD: (56, 122, 62), rules.COAL: (40, 40, 46), rules.URANIUM: (150, 64, 190)}
CITY, OPPONENT, WORKER, LOADED = (232, 150, 40), (200, 60, 60), (250, 250, 250), (20, 90, 220)


def draw(state: State) -> jax.Array:
    """uint8 `[16 size, 16 size, 3]`: resources, city tiles, and workers, bluer the more they carry."""
    size, cells = math.isqrt(len(state.kind)), jnp.arange(len(state.kind))
    image = jnp.where(is_night(state.turn), _color(NIGHT), _color(GROUND))
    image = jnp.broadcast_to(image, (len(cells), 3))
    for kind, color in COLORS.items():
        share = jnp.clip(state.amount / rules.MAX_GROWING_WOOD, 0.3, 1.0)
        there = (state.kind == kind) & (state.amount > 0)
        image = jnp.where(there[:, None], _blend(image, color, share), image)
    image = jnp.where((state.city >= 0)[:, None], _color(CITY), image)
    image = jnp.where((cells == state.opponent_cell)[:, None], _color(OPPONENT), image)
    workers = state.workers
    present = jnp.where(workers.alive, workers.cell, len(cells))
    cargo = jnp.sum(workers.cargo, axis=1) / rules.CAPACITY
    has = jnp.zeros(len(cells), bool).at[present].set(True, mode="drop")
    load = jnp.zeros(len(cells)).at[present].max(cargo, mode="drop")
    dot = jnp.broadcast_to(_color(WORKER), image.shape)
    dot = jnp.where(has[:, None], _blend(dot, LOADED, load), image)
    pixel = jnp.arange(CELL) - (CELL - 1) / 2
    round_ = (pixel[:, None] ** 2 + pixel[None] ** 2 < (CELL / 3) ** 2)[None, :, :, None]
    edge = (jnp.abs(pixel) < CELL / 2 - 1)[None, :, None, None]
    edge = edge & edge.swapaxes(1, 2)
    tile = jnp.where(edge, image[:, None, None], 0.9 * image[:, None, None])
    grid = jnp.where(round_, dot[:, None, None], tile).reshape(size, size, CELL, CELL, 3)
    return grid.swapaxes(1, 2).reshape(size * CELL, size * CELL, 3).astype(jnp.uint8)


def _color(color: tuple[int, int, int]) -> jax.Array:
    return jnp.array([color], jnp.float32)


def _blend(image: jax.Array, color: tuple[int, int, int], share: jax.Array) -> jax.Array:
    return image + share[:, None] * (_color(color) - image)
