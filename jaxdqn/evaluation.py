"""How good is a policy? One episode in each world, every one counted."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn.envs import Env
from jaxdqn.networks import Params
from jaxdqn.policies import Policy


def evaluate(
    key: jax.Array, params: Params, env: Env, policy: Policy, max_steps: int = 100_000
) -> jax.Array:
    """Returns `[N]`, undiscounted, of exactly one episode in each of the N worlds.

    Not the first N episodes to end, which would count short ones more often. Stops
    with the longest episode, at the latest after `max_steps` steps, where an episode
    still running counts with what it has earned.
    """
    reset_key, step_key = jax.random.split(key)
    env_state, obs = env.reset(reset_key)
    start = (jnp.int32(0), env_state, obs, jnp.zeros(env.num_envs), jnp.ones(env.num_envs, bool))

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        t, _, _, _, running = carry
        return (t < max_steps) & jnp.any(running)

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        t, env_state, obs, total, running = carry
        policy_key, env_key = jax.random.split(jax.random.fold_in(step_key, t))
        action = policy(policy_key, params, obs)
        env_state, timestep = env.step(env_key, env_state, action)
        total = total + jnp.where(running, timestep.reward, 0.0)
        running = running & ~(timestep.terminated | timestep.truncated)
        return t + 1, env_state, timestep.obs, total, running

    return jax.lax.while_loop(unfinished, step, start)[3]
