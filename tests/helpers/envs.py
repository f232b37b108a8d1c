"""Environments, agents and transitions small enough to check by hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import agents, distributions, envs
from jaxdqn.transition import Transition


class Table(NamedTuple):
    """A network with one value per state and action: `params [states, A]`, `obs [...]` is the state."""

    values: jax.Array

    def init(self, key, obs):
        return self.values

    def apply(self, params, obs):
        return params[obs]


# Two states, two actions: `params[state, action]` is the action value.
TABLE = jnp.array([[1.0, 2.0], [3.0, 5.0]])


def table_agent(values=TABLE, **options) -> agents.Agent:
    return agents.dqn(Table(jnp.asarray(values)), **options)


def transition(obs, action, reward=0.0, discount=0.9, next_obs=0, done=False) -> Transition:
    """A batch `[1]` of one transition between table states."""
    return Transition(
        obs=jnp.array([obs]),
        action=jnp.array([action]),
        reward=jnp.array([reward], jnp.float32),
        discount=jnp.array([discount], jnp.float32),
        done=jnp.array([done]),
        next_obs=jnp.array([next_obs]),
    )


# A second table, for the target network; a transition between the states of both; values of a histogram.
TARGET_TABLE = jnp.array([[0.5, -1.0], [2.0, 2.5]])
STEP = transition(0, 1, reward=1.0, discount=0.5, next_obs=1)
SUPPORT = distributions.support(0.0, 4.0, 5)

LENGTH = 5
"""Default number of states of `chain`."""


def chain_env(length: int = LENGTH, time_limit: int | None = 10) -> envs.Env:
    """States 0 to `length - 1` in a row; action 1 moves right, 0 left.

    Moving right from the last state has reward 1 and terminates; moving left from state 0 has no
    effect. The state is the position, the observation a one-hot vector `[length]` of it.
    """

    def reset(key):
        return jax.random.randint(key, (), 0, length)

    def step(key, position, action):
        moved = jnp.clip(position + 2 * action - 1, 0, length)
        terminated = moved == length
        return jnp.minimum(moved, length - 1), terminated.astype(jnp.float32), terminated

    return envs.Env(reset, step, lambda s: jax.nn.one_hot(s, length), 2, time_limit)


def chain(num_envs: int, length: int = LENGTH, time_limit: int = 10) -> envs.VectorEnv:
    """`num_envs` copies of `chain_env`."""
    return envs.vectorize(chain_env(length, time_limit), num_envs)


def numbered(first: int, num_rows: int, num_envs: int, **fields) -> Transition:
    """Transitions `[num_rows, num_envs]` whose fields identify row and environment."""
    row = np.arange(first, first + num_rows)[:, None]
    env = np.arange(num_envs)[None]
    number = (100 * row + env).astype(np.float32)
    values = {
        "obs": np.stack([number, -number], -1),
        "action": (row + env).astype(np.int32) % 7,
        "reward": number + 0.25,
        "discount": np.full_like(number, 0.5),
        "done": np.zeros(number.shape, bool),
        "next_obs": np.stack([number + 100, -number - 100], -1),
    } | fields
    return Transition(**values)
