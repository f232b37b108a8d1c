"""Asterix of MinAtar, with the rules of version 1.0.15 of the original."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.envs.env import Env
from jaxdqn.envs.minatar.board import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    direction,
    image,
    inside,
    one_hot,
)

ROWS = np.arange(1, 9)
"""Row of each of the 8 slots."""
SPAWN_INTERVAL, MOVE_INTERVAL, RAMP_INTERVAL = 10, 5, 100


class Entities(NamedTuple):
    """Enemies and treasure, `[8]` each: at most one in a row."""

    x: jax.Array
    right: jax.Array
    gold: jax.Array
    alive: jax.Array


class State(NamedTuple):
    """The player, the entities, and the timers that make them faster."""

    x: jax.Array
    y: jax.Array
    entities: Entities
    spawn_speed: jax.Array
    spawn_timer: jax.Array
    move_speed: jax.Array
    move_timer: jax.Array
    ramp_timer: jax.Array
    ramp_index: jax.Array


def asterix(difficulty_ramping: bool = True) -> Env:
    """+1 for each treasure; ends at an enemy; the faster the longer it lasts.

    Observation: `[10, 10, 4]` bool, channels player, enemy, trail, gold.
    """

    def reset(key: jax.Array) -> State:
        del key
        nobody = Entities(jnp.zeros(8, jnp.int32), *jnp.zeros((3, 8), bool))
        numbers = (
            5,
            5,
            SPAWN_INTERVAL,
            SPAWN_INTERVAL,
            MOVE_INTERVAL,
            MOVE_INTERVAL,
            RAMP_INTERVAL,
            0,
        )
        x, y, *timers = map(jnp.int32, numbers)
        return State(x, y, nobody, *timers)

    def step(key: jax.Array, state: State, action: jax.Array):
        spawns, moves = state.spawn_timer == 0, state.move_timer == 0
        x = jnp.clip(state.x + (action == RIGHT) - (action == LEFT), 0, 9)
        y = jnp.clip(state.y + (action == DOWN) - (action == UP), 1, 8)
        entities = jax.tree.map(
            lambda new, old: jnp.where(spawns, new, old),
            spawn(key, state.entities),
            state.entities,
        )
        entities, first, hit = meet(entities, x, y)
        moved = advance(entities)
        moved, second, hit_moving = meet(moved, x, y)
        entities = jax.tree.map(lambda new, old: jnp.where(moves, new, old), moved, entities)
        state = State(
            x,
            y,
            entities,
            state.spawn_speed,
            jnp.where(spawns, state.spawn_speed, state.spawn_timer) - 1,
            state.move_speed,
            jnp.where(moves, state.move_speed, state.move_timer) - 1,
            state.ramp_timer,
            state.ramp_index,
        )
        reward = first + (moves & second)
        return ramp(state) if difficulty_ramping else state, reward, hit | (moves & hit_moving)

    return Env(reset, step, observe, num_actions=6)


def spawn(key: jax.Array, entities: Entities) -> Entities:
    """A new entity in a row drawn from the free ones; none if all are taken."""
    right, gold, *rows = jax.random.uniform(key, (10,))
    free = ~entities.alive
    slot = free & (jnp.arange(8) == jnp.argmax(jnp.where(free, jnp.stack(rows), -1.0)))
    right = right < 1 / 2
    new = Entities(jnp.where(right, 0, 9), right, gold < 1 / 3, jnp.array(True))
    return jax.tree.map(lambda x, old: jnp.where(slot, x, old), new, entities)


def advance(entities: Entities) -> Entities:
    """One cell ahead; those that leave the board disappear."""
    x = entities.x + direction(entities.right)
    return entities._replace(x=x, alive=entities.alive & inside(x))


def meet(entities: Entities, x: jax.Array, y: jax.Array) -> tuple[Entities, jax.Array, jax.Array]:
    """The entities without treasure at the player, whether there was some, and whether an enemy is there."""
    met = entities.alive & (entities.x == x) & (ROWS == y)
    found = met & entities.gold
    return entities._replace(alive=entities.alive & ~found), found.any(), (met & ~found).any()


def ramp(state: State) -> State:
    """Counts down to the next increase of the difficulty, until there is none left."""
    possible = (state.spawn_speed > 1) | (state.move_speed > 1)
    now = possible & (state.ramp_timer < 0)
    odd = state.ramp_index % 2 == 1
    return state._replace(
        move_speed=state.move_speed - (now & odd & (state.move_speed > 1)),
        spawn_speed=state.spawn_speed - (now & (state.spawn_speed > 1)),
        ramp_index=state.ramp_index + now,
        ramp_timer=jnp.where(now, RAMP_INTERVAL, state.ramp_timer - possible),
    )


def observe(state: State) -> jax.Array:
    """The board as an image."""
    entities = state.entities
    behind = entities.x - direction(entities.right)
    alive, gold = entities.alive[:, None], entities.gold[:, None]
    at, trail = one_hot(entities.x) & alive, one_hot(behind) & alive
    rows = jnp.stack([at & ~gold, trail, at & gold], axis=-1)
    return image(one_hot(state.x), state.y, rows)
