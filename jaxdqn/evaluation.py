"""Evaluation of a policy: one whole episode in each environment."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy


class Evaluation(NamedTuple):
    """One episode in each of N environments."""

    returns: jax.Array
    """`[N]` float32, undiscounted."""
    lengths: jax.Array
    """`[N]` int32, steps."""


def evaluate(
    key: jax.Array, params: Params, env: VectorEnv, policy: Policy, max_steps: int = 100_000
) -> Evaluation:
    """Plays exactly one episode in each of N environments.

    Averaging the first N episodes to end instead would favour short ones. Stops when the
    longest episode ends, or after `max_steps` steps, when episodes that are still running
    count as they are.
    """
    reset_key, step_key = jax.random.split(key)
    env_state, obs = env.reset(reset_key)
    zeros = Evaluation(jnp.zeros(env.num_envs), jnp.zeros(env.num_envs, jnp.int32))
    start = (jnp.int32(0), env_state, obs, zeros, jnp.ones(env.num_envs, bool))

    def any_running(carry: tuple[Any, ...]) -> jax.Array:
        t, _, _, _, running = carry
        return (t < max_steps) & jnp.any(running)

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        t, env_state, obs, total, running = carry
        policy_key, env_key = jax.random.split(jax.random.fold_in(step_key, t))
        action = policy(policy_key, params, obs)
        env_state, timestep = env.step(env_key, env_state, action)
        total = Evaluation(
            total.returns + jnp.where(running, timestep.reward, 0.0),
            total.lengths + running,
        )
        running = running & ~(timestep.terminated | timestep.truncated)
        return t + 1, env_state, timestep.obs, total, running

    return jax.lax.while_loop(any_running, step, start)[3]
