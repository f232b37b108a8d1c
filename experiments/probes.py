"""What goes on inside a network while it learns? Measured on the same states all through training.

`look` at a training every so many episodes; `churn` and `collapses` then read the series that
it leaves.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import envs, policies, replay
from jaxdqn.agents import Agent
from jaxdqn.envs import Env
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.replay import Buffer

BALANCE = (0.3, 0.6, 3.0, 1.0)
"""Position, its speed, angle, its speed: push to the side to which this sum of CartPole's points."""


class States(NamedTuple):
    """Where M worlds can be set down again."""

    env_state: Any
    """`[M, ...]`."""
    obs: jax.Array
    """`[M, *obs]`."""


class Look(NamedTuple):
    """What one look found; `[..., P]` of P looks."""

    action_gap: jax.Array
    """`[]`, mean of `q(best) - q(second)`."""
    value: jax.Array
    """`[]`, mean of `max_a q(s, a)`."""
    monte_carlo: jax.Array
    """`[]`, mean of the discounted returns that the greedy policy then gets from the same states."""
    actions: jax.Array
    """`[M]`, the greedy ones: for `churn`."""
    terminal_share: jax.Array
    """`[]`, of the transitions in the replay, those after which nothing is worth anything."""


def balance(params: Any, obs: jax.Array) -> jax.Array:
    """`q [..., 2]` of a policy that nobody trained and that never falls: mean 500, deviation 0."""
    del params
    side = obs @ jnp.asarray(BALANCE)
    return jnp.stack([-side, side], axis=-1)


def fixed_states(key: jax.Array, env: Env, policy: Policy, num_steps: int) -> States:
    """One state of each of M worlds, at a time of its own within `num_steps` under `policy`.

    The policy gets no parameters. For CartPole: `balance` with some random actions.
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


def look(
    key: jax.Array,
    params: Params,
    buffer: Buffer,
    states: States,
    env: Env,
    agent: Agent,
    gamma: float | jax.Array,
    num_steps: int,
) -> Look:
    """Looks at a network and its replay. `env` has M worlds whose clock is further than `num_steps`.

    Hand it to `episodes.train`, for instance, as
    `lambda state: look(key, state.learner.params, state.buffer, ...)`.
    """
    q = agent.q_values(params, states.obs)
    policy = policies.greedy(agent.q_values)
    returns = discounted_returns(key, params, states, env, policy, gamma, num_steps)
    return Look(
        action_gap=jnp.mean(action_gap(q)),
        value=jnp.mean(jnp.max(q, axis=-1)),
        monte_carlo=jnp.mean(returns),
        actions=jnp.argmax(q, axis=-1),
        terminal_share=terminal_share(buffer),
    )


def action_gap(q: jax.Array) -> jax.Array:
    """`[...]`, by how much the best of `q [..., A]` is better than the second."""
    best = jax.lax.top_k(q, 2)[0]
    return best[..., 0] - best[..., 1]


def discounted_returns(
    key: jax.Array,
    params: Params,
    states: States,
    env: Env,
    policy: Policy,
    gamma: float | jax.Array,
    num_steps: int,
) -> jax.Array:
    """`Σ_t γ^t r_t` `[M]` of an episode from each state, to its end or for `num_steps` steps.

    What is left out of an episode that goes on is at most `γ^num_steps` of it.
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
    """`[]`, the share of the transitions written so far whose discount is 0; it needs γ above 0."""
    num_rows, num_envs = buffer.words.shape[:2]
    terminal = replay.contents(buffer).discount == 0
    written = jnp.arange(num_rows)[:, None] < buffer.filled_rows
    return jnp.sum(terminal & written) / jnp.maximum(buffer.filled_rows * num_envs, 1)


def churn(actions: np.ndarray) -> np.ndarray:
    """`[..., P - 1]`: in which share of the states `actions [..., P, M]` differ from the look before."""
    return np.mean(actions[..., 1:, :] != actions[..., :-1, :], axis=-1)


def collapses(greedy: np.ndarray, solved: float = 475.0, lost: float = 250.0) -> np.ndarray:
    """`[S, P]` bool, where `greedy [S, P]` first is below `lost` after it was `solved` or more.

    The next collapse has to be preceded by another `solved`.
    """
    found = np.zeros(greedy.shape, bool)
    was_solved = np.zeros(len(greedy), bool)
    for p, now in enumerate(np.asarray(greedy).T):
        found[:, p] = was_solved & (now < lost)
        was_solved = (was_solved | (now >= solved)) & ~found[:, p]
    return found
