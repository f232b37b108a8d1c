"""Evaluation of a policy: one whole episode in each environment."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy


def evaluate(
    key: jax.Array, params: Params, env: VectorEnv, policy: Policy, max_steps: int = 100_000
) -> jax.Array:
    """Undiscounted returns `[N]` of exactly one episode in each of N environments.

    Averaging the first N episodes to end instead would favour short ones. Stops when the
    longest episode ends, or after `max_steps` steps, when episodes that are still running
    count with the return so far.
    """
    reset_key, step_key = jax.random.split(key)
    env_state, obs = env.reset(reset_key)
    start = (jnp.int32(0), env_state, obs, jnp.zeros(env.num_envs), jnp.ones(env.num_envs, bool))

    def any_running(carry: tuple[Any, ...]) -> jax.Array:
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

    return jax.lax.while_loop(any_running, step, start)[3]
