"""Measurements of a network during training, always on the same states.

`measure` is called at regular intervals of a training; `churn` and `collapses` are functions of
the resulting series.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import envs, policies, replay
from jaxdqn.agents import Agent
from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.recipes.classic import SOLVED
from jaxdqn.replay import Buffer

BALANCE = (0.3, 0.6, 3.0, 1.0)
"""Weights of position, velocity, angle and angular velocity of CartPole: push towards the sign of the sum."""
COLLAPSED = 250.0
"""Mean evaluation return below which a network that was solved counts as collapsed."""


class States(NamedTuple):
    """States of M environments, from which episodes can be continued."""

    env_state: Any
    """`[M, ...]`."""
    obs: jax.Array
    """`[M, *obs]`."""


class Measurement(NamedTuple):
    """Properties of a network and its replay at one time; `[..., P]` for P times."""

    action_gap: jax.Array
    """`[]`, mean of `q(best) - q(second)`."""
    value: jax.Array
    """`[]`, mean of `max_a q(s, a)`."""
    monte_carlo: jax.Array
    """`[]`, mean discounted return of the greedy policy from the same states."""
    actions: jax.Array
    """`[M]`, the greedy actions, for `churn`."""
    terminal_share: jax.Array
    """`[]`, fraction of the transitions in the replay that are terminal."""


def balance(params: Any, obs: jax.Array) -> jax.Array:
    """Action values `q [..., 2]` of a hand-written policy that solves CartPole: mean 500, deviation 0."""
    del params
    side = obs @ jnp.asarray(BALANCE)
    return jnp.stack([-side, side], axis=-1)


def fixed_states(key: jax.Array, env: VectorEnv, policy: Policy, num_steps: int) -> States:
    """One state of each of M environments, each at a random time within `num_steps` under `policy`.

    The policy gets None as parameters. For CartPole use `balance` with some random actions.
    """
    reset_key, when_key, run_key = jax.random.split(key, 3)
    start = States(*env.reset(reset_key))
    when = jax.random.randint(when_key, (env.num_envs,), 0, num_steps)

    def step(carry: tuple[States, States], x: tuple[jax.Array, jax.Array]):
        now, kept = carry
        t, key = x
        policy_key, env_key = jax.random.split(key)
        kept = envs.where(t == when, now, kept)
        env_state, timestep = env.step(env_key, now.env_state, policy(policy_key, None, now.obs))
        return (States(env_state, timestep.obs), kept), None

    times = jnp.arange(num_steps), jax.random.split(run_key, num_steps)
    return jax.lax.scan(step, (start, start), times)[0][1]


def measure(
    key: jax.Array,
    params: Params,
    buffer: Buffer,
    states: States,
    env: VectorEnv,
    agent: Agent,
    gamma: float | jax.Array,
    num_steps: int,
) -> Measurement:
    """Measures a network and its replay. The time limit of `env`, M environments, must exceed `num_steps`.

    For example in `episodes.train`:
    `lambda state: measure(key, state.learner.params, state.buffer, ...)`.
    """
    q = agent.q_values(params, states.obs)
    policy = policies.greedy(agent.q_values)
    returns = discounted_returns(key, params, states, env, policy, gamma, num_steps)
    return Measurement(
        action_gap=jnp.mean(action_gap(q)),
        value=jnp.mean(jnp.max(q, axis=-1)),
        monte_carlo=jnp.mean(returns),
        actions=jnp.argmax(q, axis=-1),
        terminal_share=terminal_share(buffer),
    )


def action_gap(q: jax.Array) -> jax.Array:
    """`[...]`, difference between the largest and the second largest of `q [..., A]`."""
    best = jax.lax.top_k(q, 2)[0]
    return best[..., 0] - best[..., 1]


def discounted_returns(
    key: jax.Array,
    params: Params,
    states: States,
    env: VectorEnv,
    policy: Policy,
    gamma: float | jax.Array,
    num_steps: int,
) -> jax.Array:
    """`Σ_t γ^t r_t` `[M]` of one episode from each state, to its end or for `num_steps` steps.

    The part of a longer episode that is left out is at most a fraction `γ^num_steps` of its return.
    """

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        t, *_, running = carry
        return (t < num_steps) & jnp.any(running)

    def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        t, (env_state, obs), total, weight, running = carry
        policy_key, env_key = jax.random.split(jax.random.fold_in(key, t))
        env_state, timestep = env.step(env_key, env_state, policy(policy_key, params, obs))
        total = total + jnp.where(running, weight * timestep.reward, 0.0)
        running = running & ~(timestep.terminated | timestep.truncated)
        return t + 1, States(env_state, timestep.obs), total, weight * gamma, running

    num_states = states.obs.shape[0]
    start = (
        jnp.int32(0),
        states,
        jnp.zeros(num_states),
        jnp.float32(1),
        jnp.ones(num_states, bool),
    )
    return jax.lax.while_loop(unfinished, step, start)[2]


def terminal_share(buffer: Buffer) -> jax.Array:
    """`[]`, the fraction of the stored transitions whose discount is 0; requires γ > 0."""
    num_rows, num_envs = buffer.words.shape[:2]
    terminal = replay.contents(buffer).discount == 0
    written = jnp.arange(num_rows)[:, None] < buffer.filled_rows
    return jnp.sum(terminal & written) / jnp.maximum(buffer.filled_rows * num_envs, 1)


def churn(actions: np.ndarray) -> np.ndarray:
    """`[..., P - 1]`, the fraction of states whose greedy action differs from the previous measurement.

    `actions` are `[..., P, M]`.
    """
    return np.mean(actions[..., 1:, :] != actions[..., :-1, :], axis=-1)


def collapses(
    eval_return: np.ndarray, solved: float = SOLVED, collapsed: float = COLLAPSED
) -> np.ndarray:
    """`[S, P]` bool, where `eval_return [S, P]` first falls below `collapsed` after it reached `solved`.

    A further collapse requires that `solved` was reached again.
    """
    found = np.zeros(eval_return.shape, bool)
    was_solved = np.zeros(len(eval_return), bool)
    for p, now in enumerate(np.asarray(eval_return).T):
        found[:, p] = was_solved & (now < collapsed)
        was_solved = (was_solved | (now >= solved)) & ~found[:, p]
    return found
