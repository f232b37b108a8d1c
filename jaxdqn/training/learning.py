"""One gradient step on one batch, and the update of the target network."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn.agents import Agent, Losses
from jaxdqn.agents.agent import Target
from jaxdqn.networks import Params
from jaxdqn.replay import Sample

TargetUpdate = Callable[[Params, Params, jax.Array], Params]
"""`(params, target_params, num_updates []) -> target_params`."""


class Learner(NamedTuple):
    """The state of learning."""

    params: Params
    target_params: Params
    """θ⁻, the delayed copy from which targets are computed."""
    opt_state: optax.OptState
    num_updates: jax.Array
    """`[]` int32, gradient steps taken."""


class UpdateInfo(NamedTuple):
    """Measurements of one update, before its step."""

    loss: jax.Array
    """`[]`, weighted mean over the batch."""
    td_error: jax.Array
    """`[B]`, target minus prediction."""
    priority: jax.Array
    """`[B]`, from `Agent.loss`."""
    grad_norm: jax.Array
    """`[]`, global norm of the gradient, before clipping."""


def target_update(period: int, tau: float | jax.Array = 1.0) -> TargetUpdate:
    """Every `period` updates `θ⁻ += tau (θ - θ⁻)`: a copy for `tau` 1, Polyak averaging for `period` 1."""

    def update(params: Params, target_params: Params, num_updates: jax.Array) -> Params:
        moved = optax.incremental_update(params, target_params, tau)
        return optax.periodic_update(moved, target_params, num_updates, period)

    return update


def init(
    key: jax.Array, obs: jax.Array, agent: Agent, optimizer: optax.GradientTransformation
) -> Learner:
    """The initial state. The target parameters are a copy: a donated state must not hold one buffer twice."""
    params = agent.init(key, obs)
    target_params = jax.tree.map(jnp.copy, params)
    return Learner(params, target_params, optimizer.init(params), jnp.int32(0))


def update(
    key: jax.Array,
    learner: Learner,
    sample: Sample,
    agent: Agent,
    optimizer: optax.GradientTransformation,
    update_target: TargetUpdate,
) -> tuple[Learner, UpdateInfo]:
    """One step towards the targets of the agent, then the update of the target network."""
    target_key, loss_key = jax.random.split(key)
    target = agent.target(target_key, learner.params, learner.target_params, sample.batch)
    params, opt_state, info = gradient_step(
        loss_key, learner.params, learner.opt_state, sample, target, agent, optimizer
    )
    num_updates = learner.num_updates + 1
    target_params = update_target(params, learner.target_params, num_updates)
    return Learner(params, target_params, opt_state, num_updates), info


def gradient_step(
    key: jax.Array,
    params: Params,
    opt_state: optax.OptState,
    sample: Sample,
    target: Target,
    agent: Agent,
    optimizer: optax.GradientTransformation,
) -> tuple[Params, optax.OptState, UpdateInfo]:
    """`θ <- θ + optimizer(∇_θ mean(weight · loss))` with constant `target [B, ...]`."""

    def mean_loss(params: Params) -> tuple[jax.Array, Losses]:
        losses = agent.loss(key, params, sample.batch, target)
        return jnp.mean(sample.weight * losses.loss), losses

    (loss, losses), grads = jax.value_and_grad(mean_loss, has_aux=True)(params)
    steps, opt_state = optimizer.update(grads, opt_state, params)
    info = UpdateInfo(loss, losses.td_error, losses.priority, optax.tree.norm(grads))
    return optax.apply_updates(params, steps), opt_state, info
