"""Movement of the workers and its collisions."""

import jax
import jax.numpy as jnp

from jaxdqn.envs.lux import rules
from jaxdqn.envs.lux.board import State, look, neighbours


def targets(state: State, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cell to which each worker would move, and whether it may try: `[U]`, `[U]` bool.

    It may not leave the board, or enter the city tile of the opponent, or move before its cooldown ends.
    """
    workers = state.workers
    direction = jnp.where(action <= rules.WEST, action, rules.STAY)
    target = jnp.asarray(neighbours(len(state.kind)))[workers.cell, direction]
    legal = workers.alive & (workers.cooldown < 1) & (direction != rules.STAY)
    legal &= (target < len(state.kind)) & (target != state.opponent_cell)
    return target, legal


def resolve(state: State, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cell of each worker after all moves, and whether it moved: `[U]`, `[U]` bool.

    Outside cities a cell holds one worker. All who would enter the same cell stay; so does one whose
    target is held by a worker that stays. Two workers may exchange their cells.
    """
    workers = state.workers
    target, moves = targets(state, action)
    crowded = look(state.city, target, -1) < 0
    same = (target[:, None] == target[None]) & ~jnp.eye(len(target), dtype=bool)
    moves &= ~(crowded & jnp.any(same & moves[None], axis=1))
    holds = (target[:, None] == workers.cell[None]) & workers.alive[None]
    behind = crowded[:, None] & holds

    def blocked(moves: jax.Array) -> jax.Array:
        return moves & jnp.any(behind & ~moves[None], axis=1)

    moves = jax.lax.while_loop(
        lambda moves: jnp.any(blocked(moves)), lambda moves: moves & ~blocked(moves), moves
    )
    return jnp.where(moves, target, workers.cell), moves
