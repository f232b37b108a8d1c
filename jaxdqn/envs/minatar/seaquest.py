"""Seaquest of MinAtar, with the rules of version 1.0.15 of the original."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs.env import Env
from jaxdqn.envs.minatar.board import DOWN, FIRE, LEFT, RIGHT, UP, direction, inside
from jaxdqn.envs.minatar.seaquest_objects import (
    BULLETS,
    DIVERS,
    ENEMIES,
    Bullets,
    Divers,
    Enemies,
    draw,
    none,
    push,
    same_cell,
    start,
    trail,
)

OXYGEN, CAPACITY = 200, 6
SPAWN_INTERVAL, MOVE_INTERVAL = 20, 5
DIVER_SPAWN_INTERVAL, DIVER_MOVE_INTERVAL = 30, 5
SHOT_INTERVAL, ENEMY_SHOT_INTERVAL = 5, 10


class State(NamedTuple):
    """The submarine of the player, everything else in the water, and the timers."""

    x: jax.Array
    y: jax.Array
    right: jax.Array
    oxygen: jax.Array
    diver_count: jax.Array
    """Divers on board; -1 after a rescue of six, and less after each further surfacing, as in the original."""
    surfaced: jax.Array
    bullets: Bullets
    enemies: Enemies
    divers: Divers
    enemy_bullets: jax.Array
    """`[2, 10, 10]` bool: to the left, to the right."""
    spawn_speed: jax.Array
    spawn_timer: jax.Array
    diver_timer: jax.Array
    move_speed: jax.Array
    ramp_index: jax.Array
    shot_timer: jax.Array


def seaquest(difficulty_ramping: bool = True) -> Env:
    """+1 for each enemy shot, up to 9 for six divers; ends at an enemy, without oxygen, or on surfacing without divers.

    Observation: `[10, 10, 10]` bool, channels front and back of the submarine, its bullets, trail,
    bullets of enemies, fish, submarines, oxygen, divers on board, divers in the water.
    """

    def step(key: jax.Array, state: State, action: jax.Array):
        state = steer(spawn(key, state), action)
        state, shot = move_bullets(state)
        state = move_divers(state)
        state, shot_subs, hit_by_sub = move_enemies(state, subs=True)
        state, hit_by_bullet = move_enemy_bullets(state)
        state, shot_fish, hit_by_fish = move_enemies(state, subs=False)
        state, rescue, suffocated = breathe(state, difficulty_ramping)
        reward = shot + shot_subs + shot_fish + rescue
        terminated = hit_by_sub | hit_by_bullet | hit_by_fish | suffocated
        return state, reward.astype(jnp.float32), terminated

    return Env(reset, step, observe, num_actions=6)


def reset(key: jax.Array) -> State:
    """The submarine at the surface, alone."""
    del key
    return State(
        x=jnp.int32(5),
        y=jnp.int32(0),
        right=jnp.array(False),
        oxygen=jnp.int32(OXYGEN),
        diver_count=jnp.int32(0),
        surfaced=jnp.array(True),
        bullets=none(Bullets, BULLETS),
        enemies=none(Enemies, ENEMIES),
        divers=none(Divers, DIVERS),
        enemy_bullets=jnp.zeros((2, 10, 10), bool),
        spawn_speed=jnp.int32(SPAWN_INTERVAL),
        spawn_timer=jnp.int32(SPAWN_INTERVAL),
        diver_timer=jnp.int32(DIVER_SPAWN_INTERVAL),
        move_speed=jnp.int32(MOVE_INTERVAL),
        ramp_index=jnp.int32(0),
        shot_timer=jnp.int32(0),
    )


def spawn(key: jax.Array, state: State) -> State:
    """A new enemy, unless one in its row swims towards it, and a new diver, when their timers are 0."""
    right, is_sub, row, diver_right, diver_row = jax.random.uniform(key, (5,))
    right, is_sub, diver_right = right < 1 / 2, is_sub < 1 / 3, diver_right < 1 / 2
    y, diver_y = (jnp.floor(8 * u).astype(jnp.int32) + 1 for u in (row, diver_row))
    others, now, diver_now = state.enemies, state.spawn_timer == 0, state.diver_timer == 0
    blocked = jnp.any(others.alive & (others.y == y) & (others.right != right))
    enemy = Enemies(
        start(right),
        y,
        right,
        is_sub,
        state.move_speed,
        jnp.int32(ENEMY_SHOT_INTERVAL),
        now & ~blocked,
    )
    diver = Divers(
        start(diver_right), diver_y, diver_right, jnp.int32(DIVER_MOVE_INTERVAL), diver_now
    )
    return state._replace(
        enemies=push(state.enemies, enemy),
        divers=push(state.divers, diver),
        spawn_timer=jnp.where(now, state.spawn_speed, state.spawn_timer),
        diver_timer=jnp.where(diver_now, DIVER_SPAWN_INTERVAL, state.diver_timer),
    )


def steer(state: State, action: jax.Array) -> State:
    """Moves the submarine, or fires."""
    fires = (action == FIRE) & (state.shot_timer == 0)
    left, right = action == LEFT, action == RIGHT
    return state._replace(
        x=jnp.clip(state.x + right - left, 0, 9),
        y=jnp.clip(state.y + (action == DOWN) - (action == UP), 0, 8),
        right=right | (state.right & ~left),
        bullets=push(state.bullets, Bullets(state.x, state.y, state.right, fires)),
        shot_timer=jnp.where(fires, SHOT_INTERVAL, state.shot_timer),
    )


def move_bullets(state: State) -> tuple[State, jax.Array]:
    """Bullets of the player move and hit: fish before submarines, the oldest first."""
    x = state.bullets.x + direction(state.bullets.right)
    bullets = state.bullets._replace(x=x, alive=state.bullets.alive & inside(x))
    enemies = state.enemies
    order = jnp.arange(ENEMIES) + jnp.where(enemies.is_sub, 0, ENEMIES)
    return hit(state._replace(bullets=bullets), enemies.alive, order)


def hit(state: State, targets: jax.Array, order: jax.Array) -> tuple[State, jax.Array]:
    """Each bullet removes one of the enemies `targets [ENEMIES]` in its cell, that of the highest `order`."""
    bullets, enemies = state.bullets, state.enemies
    same = jax.vmap(same_cell, in_axes=(0, 0, None))(bullets.x, bullets.y, enemies)
    meets = same & bullets.alive[:, None] & targets[None]
    first = jnp.max(jnp.where(meets, order[None], -1), axis=1, keepdims=True)
    removed = jnp.any(meets & (order[None] == first), axis=0)
    state = state._replace(
        bullets=bullets._replace(alive=bullets.alive & ~meets.any(axis=1)),
        enemies=enemies._replace(alive=enemies.alive & ~removed),
    )
    return state, removed.sum()


def move_divers(state: State) -> State:
    """Divers move; those that meet the submarine before or after are taken on board, the newest first, six at most."""
    divers = state.divers
    moves = divers.alive & (divers.move_timer == 0)
    moved = divers._replace(x=divers.x + jnp.where(moves, direction(divers.right), 0))
    met = divers.alive & (same_cell(state.x, state.y, divers) | same_cell(state.x, state.y, moved))
    taken = met & (state.diver_count + jnp.cumsum(met) <= CAPACITY)
    timer = jnp.where(moves, DIVER_MOVE_INTERVAL, divers.move_timer - 1)
    alive = divers.alive & ~taken & inside(moved.x)
    return state._replace(
        divers=moved._replace(move_timer=timer, alive=alive),
        diver_count=state.diver_count + taken.sum(),
    )


def move_enemies(state: State, subs: bool) -> tuple[State, jax.Array, jax.Array]:
    """Submarines or fish move, into bullets or the player; returns the number shot, and whether they hit the player.

    A submarine whose timer is 0 fires, even if it is shot in the same step.
    """
    before = state.enemies
    own = before.alive & (before.is_sub == subs)
    moves = own & (before.move_timer == 0)
    x = before.x + jnp.where(moves, direction(before.right), 0)
    timer = jnp.where(moves, state.move_speed, before.move_timer - own)
    enemies = before._replace(x=x, alive=before.alive & inside(x), move_timer=timer)
    touches = own & (same_cell(state.x, state.y, before) | same_cell(state.x, state.y, enemies))
    state = state._replace(enemies=enemies)
    if subs:
        fires = own & (before.shot_timer == 0)
        shot_timer = jnp.where(fires, ENEMY_SHOT_INTERVAL, before.shot_timer - own)
        shots = jnp.stack([draw(enemies, fires & side) for side in (~before.right, before.right)])
        state = state._replace(
            enemies=enemies._replace(shot_timer=shot_timer),
            enemy_bullets=state.enemy_bullets | shots,
        )
    state, shot = hit(state, moves & enemies.alive, ENEMIES - 1 - jnp.arange(ENEMIES))
    return state, shot, touches.any()


def move_enemy_bullets(state: State) -> tuple[State, jax.Array]:
    """Bullets of enemies move; returns whether one hits the player before or after."""
    left, right = state.enemy_bullets
    moved = jnp.stack(
        [jnp.pad(left[:, 1:], ((0, 0), (0, 1))), jnp.pad(right[:, :-1], ((0, 0), (1, 0)))]
    )
    touches = (state.enemy_bullets | moved)[:, state.y, state.x].any()
    return state._replace(enemy_bullets=moved), touches


def breathe(state: State, ramping: bool) -> tuple[State, jax.Array, jax.Array]:
    """Timers and oxygen; at the surface divers leave, and the enemies become faster.

    Returns the reward of six divers, and whether the oxygen or, at the surface, the divers are lacking.
    """
    submerged = state.y > 0
    surfaces = ~submerged & ~state.surfaced
    rescues, full = surfaces & (state.diver_count != 0), state.diver_count == CAPACITY
    reward = jnp.where(rescues & full, state.oxygen * 10 // OXYGEN, 0)
    terminated = (state.oxygen <= 0) | (surfaces & ~rescues)
    ramps = rescues & ramping & ((state.spawn_speed > 1) | (state.move_speed > 2))
    odd = state.ramp_index % 2 == 1
    state = state._replace(
        oxygen=jnp.where(rescues, OXYGEN, state.oxygen - submerged),
        diver_count=jnp.where(rescues & full, 0, state.diver_count) - rescues,
        surfaced=~submerged & (state.surfaced | rescues),
        spawn_speed=state.spawn_speed - (ramps & (state.spawn_speed > 1)),
        move_speed=state.move_speed - (ramps & odd & (state.move_speed > 2)),
        ramp_index=state.ramp_index + ramps,
        spawn_timer=jnp.maximum(state.spawn_timer - 1, 0),
        diver_timer=jnp.maximum(state.diver_timer - 1, 0),
        shot_timer=jnp.maximum(state.shot_timer - 1, 0),
    )
    return state, reward, terminated


def observe(state: State) -> jax.Array:
    """The board as an image."""
    enemies, divers = state.enemies, state.divers
    back = State._replace(state, x=state.x - direction(state.right))
    columns = jnp.arange(10)
    oxygen = columns < jnp.maximum(state.oxygen, 0) * 10 // OXYGEN
    on_board = (columns >= 9 - state.diver_count) & (columns < 9)
    channels = [
        draw(state, True),
        draw(back, True),
        draw(state.bullets, state.bullets.alive),
        trail(enemies) | trail(divers),
        state.enemy_bullets.any(axis=0),
        draw(enemies, enemies.alive & ~enemies.is_sub),
        draw(enemies, enemies.alive & enemies.is_sub),
        jnp.zeros((10, 10), bool).at[9].set(oxygen),
        jnp.zeros((10, 10), bool).at[9].set(on_board),
        draw(divers, divers.alive),
    ]
    return jnp.stack(channels, axis=-1)
