"""How do parameters change? One gradient step on one batch."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn.agents import Agent
from jaxdqn.networks import Params
from jaxdqn.replay import Sample

TargetUpdate = Callable[[Params, Params, jax.Array], Params]
"""`(params, target_params, num_updates []) -> target_params`."""


class Learner(NamedTuple):
    """All that learning remembers."""

    params: Params
    target_params: Params
    """θ⁻, the slow copy that targets are computed from."""
    opt_state: optax.OptState
    num_updates: jax.Array
    """`[]` int32, gradient steps taken."""


class UpdateInfo(NamedTuple):
    """What one update saw."""

    loss: jax.Array
    """`[]`, weighted mean over the batch, before the step."""
    td_error: jax.Array
    """`[B]`, target minus prediction, before the step."""


def target_update(period: int, rate: float | jax.Array = 1.0) -> TargetUpdate:
    """Every `period` updates `θ⁻ += rate (θ - θ⁻)`: hard for `rate` 1, soft (Polyak) for `period` 1."""

    def update(params: Params, target_params: Params, num_updates: jax.Array) -> Params:
        moved = optax.incremental_update(params, target_params, rate)
        return optax.periodic_update(moved, target_params, num_updates, period)

    return update


def init(
    key: jax.Array, obs: jax.Array, agent: Agent, optimizer: optax.GradientTransformation
) -> Learner:
    """A learner whose target parameters are a copy: a donated state must not hold one buffer twice."""
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
    """`θ <- θ + optimizer(-∇_θ mean(weight · loss))`, then the target follows."""

    def mean_loss(params: Params) -> tuple[jax.Array, jax.Array]:
        loss, td_error = agent.loss(key, params, learner.target_params, sample.batch)
        return jnp.mean(sample.weight * loss), td_error

    (loss, td_error), grads = jax.value_and_grad(mean_loss, has_aux=True)(learner.params)
    steps, opt_state = optimizer.update(grads, learner.opt_state, learner.params)
    params = optax.apply_updates(learner.params, steps)
    num_updates = learner.num_updates + 1
    target_params = update_target(params, learner.target_params, num_updates)
    return Learner(params, target_params, opt_state, num_updates), UpdateInfo(loss, td_error)
