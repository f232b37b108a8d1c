"""Snake on an N x N grid, by the rules of jumanji's Snake-v1, Bonnet et al. (2024), arXiv:2306.09884."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.config import check_at_least
from jaxdqn.envs import drawing
from jaxdqn.envs.env import Env

MOVES = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]], np.int32)
"""Rows and columns by which the head moves: up, right, down, left."""


class State(NamedTuple):
    """A snake and its fruit."""

    body: jax.Array
    """`[size, size]` int32: 1 at the tail, one more at each cell towards the head, 0 elsewhere."""
    head: jax.Array
    """`[2]` int32, row and column."""
    fruit: jax.Array
    """`[2]` int32, row and column."""


def make(size: int = 12) -> Env:
    """+1 for each fruit; ends at a wall, at its own body, or when the grid is full.

    The snake starts with length 1. The tail leaves its cell before the head arrives, so that the
    head may follow it. Observation: the grid with the head in the middle, `[2 size - 1, 2 size - 1, 4]`
    bool, channels body, tail, fruit, wall; jumanji shows the grid itself, in which networks learn more
    slowly. Actions: up, right, down, left. Raises `ConfigError` if `size` is below 2.
    """
    check_at_least("size", size, 2)
    rows, columns = jnp.indices((size, size))

    def at(cell: jax.Array) -> jax.Array:
        return (rows == cell[0]) & (columns == cell[1])

    def place(key: jax.Array, free: jax.Array) -> jax.Array:
        index = jax.random.choice(key, size * size, p=free.ravel())
        return jnp.stack(jnp.divmod(index, size))

    def reset(key: jax.Array) -> State:
        head_key, fruit_key = jax.random.split(key)
        head = jax.random.randint(head_key, (2,), 0, size)
        body = at(head).astype(jnp.int32)
        return State(body, head, place(fruit_key, body == 0))

    def step(key: jax.Array, state: State, action: jax.Array):
        head = state.head + jnp.asarray(MOVES)[action]
        eaten = jnp.all(head == state.fruit)
        shorter = jnp.maximum(state.body - 1, 0)
        collision = ~jnp.any(at(head) & (shorter == 0))
        length = jnp.max(state.body) + eaten
        body = jnp.where(at(head), length, jnp.where(eaten, state.body, shorter))
        fruit = jnp.where(eaten, place(key, body == 0), state.fruit)
        full = jnp.all(body > 0)
        return State(body, head, fruit), eaten.astype(jnp.float32), collision | full

    def observe(state: State) -> jax.Array:
        def around_head(cells: jax.Array) -> jax.Array:
            padded = jnp.pad(cells, size - 1)
            return jax.lax.dynamic_slice(padded, state.head, (2 * size - 1, 2 * size - 1))

        grid = state.body > 0, state.body == 1, at(state.fruit)
        wall = ~around_head(jnp.ones_like(grid[0]))
        return jnp.stack((*map(around_head, grid), wall), axis=-1)

    return Env(reset, step, observe, num_actions=4, time_limit=4_000, render=drawing.snake)
