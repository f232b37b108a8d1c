"""Parallelised Q-network (PQN), Gallici et al. (2025), arXiv:2407.04811."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import policies, returns, targets
from jaxdqn.agents import Agent
from jaxdqn.config import ConfigError, validate
from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.training import rollout
from jaxdqn.training.rollout import Actor
from jaxdqn.training.trainer import Metrics, Trainer


class PQNState(NamedTuple):
    """The complete state of a training run."""

    params: Params
    opt_state: optax.OptState
    actor: Actor
    env_steps: jax.Array
    """`[]` int32."""
    num_updates: jax.Array
    """`[]` int32."""
    key: jax.Array


def pqn(
    env: VectorEnv,
    agent: Agent,
    optimizer: optax.GradientTransformation,
    epsilon: optax.Schedule,
    num_steps: int,
    num_epochs: int,
    num_minibatches: int,
    gamma: float | jax.Array = 0.99,
    lambda_: float | jax.Array = 0.65,
) -> Trainer:
    """Q-learning without replay and target network: T = `num_steps` steps in N environments, then epochs over them.

    The target of each step is its λ-return under the parameters that acted. LayerNorm in the
    network (`networks.norm_relu`) stabilises learning in place of a target network. Fits
    `agent.q_values`; `agent.loss` is not used. Raises `ConfigError` for invalid numbers.
    """
    validate(num_steps=num_steps, num_epochs=num_epochs, num_minibatches=num_minibatches)
    validate(gamma=gamma, td_lambda=lambda_)
    batch_size = num_steps * env.num_envs
    if batch_size % num_minibatches:
        rule = f"must divide num_steps * num_envs ({batch_size})."
        raise ConfigError("num_minibatches", num_minibatches, rule)

    def init(key: jax.Array) -> PQNState:
        params_key, reset_key, run_key = jax.random.split(key, 3)
        actor = rollout.init(reset_key, env)
        params = agent.init(params_key, actor.obs)
        zero = jnp.int32(0)
        return PQNState(params, optimizer.init(params), actor, zero, jnp.int32(0), run_key)

    def update(carry: tuple[Params, optax.OptState], batch: tuple[jax.Array, ...]):
        params, opt_state = carry
        obs, action, target = batch

        def mean_loss(params: Params) -> tuple[jax.Array, jax.Array]:
            q = targets.select(agent.q_values(params, obs), action)
            return jnp.mean(optax.l2_loss(q, target)), q

        (loss, q), grads = jax.value_and_grad(mean_loss, has_aux=True)(params)
        steps, opt_state = optimizer.update(grads, opt_state, params)
        updated = optax.apply_updates(params, steps), opt_state
        return updated, (loss, jnp.mean(jnp.abs(target - q)), optax.tree.norm(grads))

    def step(state: PQNState) -> tuple[PQNState, Metrics]:
        rollout_key, shuffle_key, run_key = jax.random.split(state.key, 3)
        epsilon_now = jnp.asarray(epsilon(state.env_steps), jnp.float32)

        actor, transitions, episodes = rollout.collect(
            rollout_key,
            state.params,
            state.actor,
            env,
            policies.epsilon_greedy(agent.explore, epsilon_now),
            gamma,
            num_steps,
        )
        next_value = jnp.max(agent.q_values(state.params, transitions.next_obs), axis=-1)
        target = returns.lambda_returns(
            transitions.reward, transitions.discount, transitions.done, next_value, lambda_
        )

        def epoch(carry: Any, key: jax.Array):
            order = jax.random.permutation(key, batch_size).reshape(num_minibatches, -1)

            def minibatches(x: jax.Array) -> jax.Array:
                return x.reshape(batch_size, *x.shape[2:])[order]

            batches = jax.tree.map(minibatches, (transitions.obs, transitions.action, target))
            return jax.lax.scan(update, carry, batches)

        (params, opt_state), each = jax.lax.scan(
            epoch, (state.params, state.opt_state), jax.random.split(shuffle_key, num_epochs)
        )
        loss, td_error, grad_norm = jax.tree.map(jnp.mean, each)
        env_steps = state.env_steps + batch_size
        num_updates = state.num_updates + num_epochs * num_minibatches
        metrics = Metrics(
            env_steps=env_steps,
            num_updates=num_updates,
            loss=loss,
            epsilon=epsilon_now,
            td_error=td_error,
            grad_norm=grad_norm,
            episodes=episodes,
        )
        return PQNState(params, opt_state, actor, env_steps, num_updates, run_key), metrics

    def value(state: PQNState) -> jax.Array:
        return jnp.mean(jnp.max(agent.q_values(state.params, state.actor.obs), axis=-1))

    return Trainer(
        init,
        step,
        params=lambda state: state.params,
        value=value,
        learning_starts=0,
        iteration_steps=batch_size,
    )
