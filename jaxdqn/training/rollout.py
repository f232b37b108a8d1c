"""Rollouts: a scan over time of a policy acting in N environments."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.transition import Transition


class Episodes(NamedTuple):
    """The episodes that ended during T steps of N environments."""

    returns: jax.Array
    """`[T, N]` float32, undiscounted return of the episode so far: of all of it where one ended."""
    lengths: jax.Array
    """`[T, N]` int32, steps of the episode that ended; 0 where none did."""


class Actor(NamedTuple):
    """The state of N environments between two rollouts."""

    env_state: Any
    obs: jax.Array
    """`[N, *obs]`."""
    episode_return: jax.Array
    """`[N]` float32, undiscounted return of the current episode so far."""
    episode_length: jax.Array
    """`[N]` int32, steps of the current episode so far."""


def init(key: jax.Array, env: VectorEnv) -> Actor:
    """N environments at the start of their first episodes."""
    env_state, obs = env.reset(key)
    return Actor(env_state, obs, jnp.zeros(env.num_envs), jnp.zeros(env.num_envs, jnp.int32))


def collect(
    key: jax.Array,
    params: Params,
    actor: Actor,
    env: VectorEnv,
    policy: Policy,
    gamma: float | jax.Array,
    num_steps: int,
) -> tuple[Actor, Transition, Episodes]:
    """Acts for T = `num_steps` steps in each environment.

    Returns the actor, the transitions `[T, N, ...]` and the episodes that ended.
    """

    def step(actor: Actor, keys: jax.Array) -> tuple[Actor, tuple[Transition, Episodes]]:
        policy_key, env_key = keys
        action = policy(policy_key, params, actor.obs)
        env_state, timestep = env.step(env_key, actor.env_state, action)
        done = timestep.terminated | timestep.truncated
        discount = gamma if timestep.duration is None else gamma**timestep.duration
        transition = Transition(
            obs=actor.obs,
            action=action,
            reward=timestep.reward,
            discount=discount * (1.0 - timestep.terminated),
            done=done,
            next_obs=timestep.final_obs,
        )
        episode_return = actor.episode_return + timestep.reward
        length = actor.episode_length + 1
        ended = Episodes(episode_return, jnp.where(done, length, 0))
        actor = Actor(
            env_state,
            timestep.obs,
            jnp.where(done, 0.0, episode_return),
            jnp.where(done, 0, length),
        )
        return actor, (transition, ended)

    keys = jax.random.split(key, (num_steps, 2))
    actor, (transitions, episodes) = jax.lax.scan(step, actor, keys)
    return actor, transitions, episodes
