"""Rollouts: a scan over time of a policy acting in N environments."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.transition import Transition


class Actor(NamedTuple):
    """The state of N environments between two rollouts."""

    env_state: Any
    obs: jax.Array
    """`[N, *obs]`."""
    episode_return: jax.Array
    """`[N]` float32, undiscounted return of the current episode so far."""


def init(key: jax.Array, env: VectorEnv) -> Actor:
    """N environments at the start of their first episodes."""
    env_state, obs = env.reset(key)
    return Actor(env_state, obs, jnp.zeros(env.num_envs))


def collect(
    key: jax.Array,
    params: Params,
    actor: Actor,
    env: VectorEnv,
    policy: Policy,
    gamma: float | jax.Array,
    num_steps: int,
) -> tuple[Actor, Transition, jax.Array]:
    """Acts for T = `num_steps` steps in each environment.

    Returns the actor, the transitions `[T, N, ...]`, and for each of them the return so far
    `[T, N]` of its episode: the return of the whole episode where `done`.
    """

    def step(actor: Actor, keys: jax.Array) -> tuple[Actor, tuple[Transition, jax.Array]]:
        policy_key, env_key = keys
        action = policy(policy_key, params, actor.obs)
        env_state, timestep = env.step(env_key, actor.env_state, action)
        done = timestep.terminated | timestep.truncated
        transition = Transition(
            obs=actor.obs,
            action=action,
            reward=timestep.reward,
            discount=gamma * (1.0 - timestep.terminated),
            done=done,
            next_obs=timestep.final_obs,
        )
        episode_return = actor.episode_return + timestep.reward
        actor = Actor(env_state, timestep.obs, jnp.where(done, 0.0, episode_return))
        return actor, (transition, episode_return)

    keys = jax.random.split(key, (num_steps, 2))
    actor, (transitions, episode_return) = jax.lax.scan(step, actor, keys)
    return actor, transitions, episode_return
