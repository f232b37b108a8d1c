"""The board of MinAtar: actions, columns, images."""

import jax
import jax.numpy as jnp

LEFT, UP, RIGHT, DOWN, FIRE = 1, 2, 3, 4, 5
"""Actions of all games; 0 does nothing."""


def inside(x: jax.Array) -> jax.Array:
    """Whether a column is on the board."""
    return (x >= 0) & (x <= 9)


def direction(right: jax.Array) -> jax.Array:
    """The change of a column in one move."""
    return jnp.where(right, 1, -1)


def one_hot(position: int | jax.Array) -> jax.Array:
    """`[..., 10]` bool; all false outside of the board."""
    return jax.nn.one_hot(position, 10, dtype=bool)


def image(player: jax.Array, y: jax.Array, rows: jax.Array) -> jax.Array:
    """`[10, 10, 1 + C]` bool: the row `player [10]` at `y` as channel 0, then those of rows 1 to 8, `[8, 10, C]`."""
    first = one_hot(y)[:, None] & player[None]
    return jnp.concatenate([first[..., None], jnp.pad(rows, ((1, 1), (0, 0), (0, 0)))], axis=-1)
