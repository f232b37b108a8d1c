"""Parallelised Q-network (PQN), Gallici et al. (2025), arXiv:2407.04811."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import policies, returns
from jaxdqn.agents import Agent
from jaxdqn.config import ConfigError, validate
from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.replay import Sample
from jaxdqn.training import learning, rollout
from jaxdqn.training.learning import UpdateInfo
from jaxdqn.training.rollout import Actor
from jaxdqn.training.trainer import Metrics, Trainer
from jaxdqn.transition import Transition


class PQNLearner(NamedTuple):
    """The state of learning, without a target network."""

    params: Params
    opt_state: optax.OptState
    num_updates: jax.Array
    """`[]` int32, gradient steps taken."""


class PQNState(NamedTuple):
    """The complete state of a training run."""

    learner: PQNLearner
    actor: Actor
    env_steps: jax.Array
    """`[]` int32."""
    key: jax.Array


def lambda_targets(
    params: Params, transitions: Transition, agent: Agent, lambda_: float | jax.Array
) -> jax.Array:
    """The λ-returns of a rollout `[T, N]`, which bootstrap from `max_a q(s', a; θ)` (eq. 14)."""
    next_value = jnp.max(agent.q_values(params, transitions.next_obs), axis=-1)
    steps = transitions.reward, transitions.discount, transitions.done
    return returns.lambda_returns(*steps, next_value, lambda_)


def update(
    key: jax.Array,
    learner: PQNLearner,
    batch: Transition,
    target: jax.Array,
    agent: Agent,
    optimizer: optax.GradientTransformation,
) -> tuple[PQNLearner, UpdateInfo]:
    """One step from `batch [B]` towards the λ-returns `target [B]`."""
    sample = Sample(batch, weight=jnp.ones_like(target), handle=())
    params, opt_state, info = learning.gradient_step(
        key, learner.params, learner.opt_state, sample, target, agent, optimizer
    )
    return PQNLearner(params, opt_state, learner.num_updates + 1), info


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

    The target of each step is its λ-return under the parameters that acted, in place of
    `agent.target`. LayerNorm in the network (`networks.norm_relu`) stabilises learning in place of a
    target network. `agent` must learn from scalar targets, such as `agents.dqn` and
    `agents.hl_gauss`; agents that differ from DQN in their target only become PQN. Raises
    `ConfigError` for invalid numbers, `ValueError` (from `init`) for another kind of agent.
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
        _require_scalar_targets(agent, params, actor.obs)
        learner = PQNLearner(params, optimizer.init(params), jnp.int32(0))
        return PQNState(learner, actor, jnp.int32(0), run_key)

    def step(state: PQNState) -> tuple[PQNState, Metrics]:
        rollout_key, epochs_key, run_key = jax.random.split(state.key, 3)
        epsilon_now = jnp.asarray(epsilon(state.env_steps), jnp.float32)
        actor, transitions, episodes = rollout.collect(
            rollout_key,
            state.learner.params,
            state.actor,
            env,
            policies.epsilon_greedy(agent.explore, epsilon_now),
            gamma,
            num_steps,
        )
        target = lambda_targets(state.learner.params, transitions, agent, lambda_)
        steps = jax.tree.map(lambda x: x.reshape(batch_size, *x.shape[2:]), (transitions, target))

        def epoch(learner: PQNLearner, key: jax.Array):
            shuffle_key, loss_key = jax.random.split(key)
            order = jax.random.permutation(shuffle_key, batch_size).reshape(num_minibatches, -1)

            def minibatch(learner: PQNLearner, inputs: tuple[Any, ...]):
                key, (batch, target) = inputs
                learner, info = update(key, learner, batch, target, agent, optimizer)
                return learner, (info.loss, jnp.mean(jnp.abs(info.td_error)), info.grad_norm)

            keys = jax.random.split(loss_key, num_minibatches)
            return jax.lax.scan(minibatch, learner, (keys, jax.tree.map(lambda x: x[order], steps)))

        learner, each = jax.lax.scan(epoch, state.learner, jax.random.split(epochs_key, num_epochs))
        loss, td_error, grad_norm = jax.tree.map(jnp.mean, each)
        env_steps = state.env_steps + batch_size
        metrics = Metrics(
            env_steps=env_steps,
            num_updates=learner.num_updates,
            loss=loss,
            epsilon=jnp.mean(epsilon_now),
            td_error=td_error,
            grad_norm=grad_norm,
            episodes=episodes,
        )
        return PQNState(learner, actor, env_steps, run_key), metrics

    def value(state: PQNState) -> jax.Array:
        return jnp.mean(jnp.max(agent.q_values(state.learner.params, state.actor.obs), axis=-1))

    return Trainer(
        init,
        step,
        params=lambda state: state.learner.params,
        value=value,
        learning_starts=0,
        iteration_steps=batch_size,
    )


def _require_scalar_targets(agent: Agent, params: Params, obs: jax.Array) -> None:
    zero = jnp.zeros(obs.shape[0])
    batch = Transition(obs, zero.astype(jnp.int32), zero, zero, zero.astype(bool), obs)
    target = jax.eval_shape(agent.target, jax.random.key(0), params, params, batch)
    shapes = jax.tree.map(lambda x: x.shape, target)
    if shapes != zero.shape:
        raise ValueError(f"agent.target ({shapes}) must have shape [B] {zero.shape} for PQN.")
