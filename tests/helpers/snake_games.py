"""Snake beside jumanji's Snake-v1 in lockstep, and a path on which it never collides."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import envs
from jaxdqn.envs import snake

UP, RIGHT, DOWN, LEFT = range(4)


def cycle(size: int) -> np.ndarray:
    """Actions `[size, size]` along a closed path through all cells: to and fro, and back in the first column."""
    action = np.where(np.arange(size)[:, None] % 2 == 0, RIGHT, LEFT) + np.zeros((1, size), int)
    action[0::2, -1] = DOWN
    action[1::2, 1] = DOWN
    action[-1, 1] = LEFT
    action[1:, 0] = UP
    return action


class Lockstep(NamedTuple):
    """What both implementations returned `[T, N]`."""

    same: jax.Array
    """Whether state, reward and end were the same."""
    length: jax.Array
    collision: jax.Array
    full: jax.Array


def play_both(size: int, policy, num_steps: int, num_envs: int = 16) -> Lockstep:
    """Our step beside that of jumanji, from its initial states and with its keys.

    `policy(key, state, action_mask) -> action`. States after the wall above or on the left are not
    compared: there jumanji draws the head on the opposite side.
    """
    from jumanji.environments import Snake  # Optional.

    theirs, ours = Snake(size, size, time_limit=2**30), snake.make(size)

    def translate(state) -> snake.State:
        head, fruit = (jnp.stack(cell) for cell in (state.head_position, state.fruit_position))
        return snake.State(state.body_state, head, fruit)

    def reset(key):
        state, _ = theirs.reset(jax.random.key_data(key))
        return state, translate(state)

    def step(key, state, own):
        action = policy(key, own, state.action_mask)
        fruit_key = jax.random.wrap_key_data(jax.random.split(state.key)[1])
        after, timestep = theirs.step(state, action)
        own, reward, terminated = ours.step(fruit_key, own, action)
        same_end = (reward == timestep.reward) & (terminated == timestep.last())
        pairs = zip(own, translate(after), strict=True)
        same_state = jnp.all(jnp.stack([jnp.all(x == y) for x, y in pairs]))
        full = jnp.all(own.body > 0)
        outside = jnp.any(own.head < 0)
        seen = Lockstep(
            same_end & (same_state | outside), jnp.max(own.body), terminated & ~full, full
        )
        return (after, own), terminated, seen

    def both(states, key):
        reset_key, step_key = jax.random.split(key)
        states, done, seen = jax.vmap(step)(jax.random.split(step_key, num_envs), *states)
        new = jax.vmap(reset)(jax.random.split(reset_key, num_envs))
        return envs.where(done, new, states), seen

    def run(key):
        reset_key, key = jax.random.split(key)
        states = jax.vmap(reset)(jax.random.split(reset_key, num_envs))
        return jax.lax.scan(both, states, jax.random.split(key, num_steps))[1]

    # jumanji relies on what the tests of this package forbid.
    with jax.numpy_rank_promotion("allow"), jax.debug_key_reuse(False):
        return jax.device_get(jax.jit(run)(jax.random.key(size)))
