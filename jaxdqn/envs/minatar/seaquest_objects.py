"""Enemies, divers and bullets of Seaquest: lists of fixed size, the newest first.

Each object has left the board before it is pushed off its list. An enemy lives for less than 30
steps when one spawns at every step; a diver for 59 steps, the second after it comes after 60; a
bullet for 9 steps, the second after it comes after 10.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs.minatar.board import direction, inside

ENEMIES, DIVERS, BULLETS = 32, 2, 2
"""Sizes of the lists."""


class Enemies(NamedTuple):
    """Fish and submarines, `[ENEMIES]` each."""

    x: jax.Array
    y: jax.Array
    right: jax.Array
    is_sub: jax.Array
    move_timer: jax.Array
    shot_timer: jax.Array
    alive: jax.Array


class Divers(NamedTuple):
    """Divers in the water, `[DIVERS]` each."""

    x: jax.Array
    y: jax.Array
    right: jax.Array
    move_timer: jax.Array
    alive: jax.Array


class Bullets(NamedTuple):
    """Bullets of the player, `[BULLETS]` each; two are never in the same cell."""

    x: jax.Array
    y: jax.Array
    right: jax.Array
    alive: jax.Array


def none(kind: Any, size: int) -> Any:
    """Objects of which none is alive."""
    boolean = "right", "is_sub", "alive"
    return kind(*(jnp.zeros(size, bool if name in boolean else jnp.int32) for name in kind._fields))


def start(right: jax.Array) -> jax.Array:
    """The column where an object enters the board."""
    return jnp.where(right, 0, 9)


def push(objects: Any, new: Any) -> Any:
    """`objects` with `new` as the first if it is alive; the last one is dropped."""

    def shift(old: jax.Array, x: Any) -> jax.Array:
        first = jnp.asarray(x, old.dtype)[None]
        return jnp.where(new.alive, jnp.concatenate([first, old[:-1]]), old)

    return jax.tree.map(shift, objects, new)


def same_cell(x: jax.Array, y: jax.Array, objects: Any) -> jax.Array:
    """Whether objects are at (x, y)."""
    return (objects.x == x) & (objects.y == y)


def trail(objects: Any) -> jax.Array:
    """The cells behind living objects."""
    return draw(objects._replace(x=objects.x - direction(objects.right)), objects.alive)


def draw(objects: Any, shown: Any) -> jax.Array:
    """The cells of the objects for which `shown` is true, `[10, 10]` bool; those outside of the board are left out."""
    x, y, shown = (jnp.ravel(jnp.asarray(a)) for a in (objects.x, objects.y, shown))
    cells = jnp.zeros((10, 10), bool)
    return cells.at[y, jnp.where(shown & inside(x), x, 10)].set(True, mode="drop")
