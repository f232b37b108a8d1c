"""Freeway of MinAtar, with the rules of version 1.0.15 of the original."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn.envs.env import Env
from jaxdqn.envs.minatar.board import DOWN, UP, image, one_hot

ROWS = np.arange(1, 9)
"""Row of each of the 8 cars."""
PLAYER_COLUMN, PLAYER_INTERVAL = 4, 3
NUM_STEPS = 2_501
"""Length of an episode: the original counts 2,500 frames down to 0, and ends after one more."""


class State(NamedTuple):
    """The player and the cars, `[8]` each."""

    y: jax.Array
    move_timer: jax.Array
    x: jax.Array
    car_timer: jax.Array
    speed: jax.Array
    """Frames between two moves of a car, 1 to 5; negative to the left."""


def freeway() -> Env:
    """+1 for each crossing, after which the cars change their speeds; a car takes the player back.

    The original ends an episode by a terminal state; here it is truncated, so that targets
    bootstrap. Observation: `[10, 10, 7]` bool, channels player, car, trails of speeds 1 to 5.
    """
    return Env(reset, step, observe, num_actions=6, time_limit=NUM_STEPS)


def reset(key: jax.Array) -> State:
    """All cars on the left, with random speeds."""
    speed = random_speeds(key)
    x = jnp.zeros(8, jnp.int32)
    return State(jnp.int32(9), jnp.int32(PLAYER_INTERVAL), x, jnp.abs(speed), speed)


def step(key: jax.Array, state: State, action: jax.Array):
    """Moves the player, then the cars; no state is terminal."""
    up, down = action == UP, action == DOWN
    moves = (up | down) & (state.move_timer == 0)
    y = jnp.where(moves, jnp.clip(state.y + jnp.where(up, -1, 1), 0, 9), state.y)
    move_timer = jnp.where(moves, PLAYER_INTERVAL, state.move_timer)

    won = y == 0
    y = jnp.where(won, 9, y)
    speed = jnp.where(won, random_speeds(key), state.speed)
    timer = jnp.where(won, jnp.abs(speed), state.car_timer)

    drives = timer == 0
    x = jnp.where(drives, (state.x + jnp.sign(speed)) % 10, state.x)
    # A car hits the player before or after its move.
    hit = (ROWS == y) & ((state.x == PLAYER_COLUMN) | (x == PLAYER_COLUMN))
    state = State(
        jnp.where(hit.any(), 9, y),
        jnp.maximum(move_timer - 1, 0),
        x,
        jnp.where(drives, jnp.abs(speed), timer - 1),
        speed,
    )
    return state, won.astype(jnp.float32), jnp.array(False)


def random_speeds(key: jax.Array) -> jax.Array:
    """Uniform in ±1 to ±5, `[8]`."""
    speed = jnp.floor(jax.random.uniform(key, (8,)) * 10).astype(jnp.int32) - 5
    return speed + (speed >= 0)


def observe(state: State) -> jax.Array:
    """The board as an image."""
    behind = (state.x - jnp.sign(state.speed)) % 10
    speed = jax.nn.one_hot(jnp.abs(state.speed) - 1, 5, dtype=bool)
    trail = one_hot(behind)[:, :, None] & speed[:, None, :]
    rows = jnp.concatenate([one_hot(state.x)[:, :, None], trail], axis=-1)
    return image(one_hot(PLAYER_COLUMN), state.y, rows)
