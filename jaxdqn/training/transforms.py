"""Trainers made from trainers: averaged parameters, and periodic resets."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn.config import require, validate
from jaxdqn.networks import Params
from jaxdqn.training.trainer import Metrics, Trainer


class Averaged(NamedTuple):
    """The state of a trainer, and the average of its parameters."""

    state: Any
    params: Params


def average(trainer: Trainer, decay: float | jax.Array = 0.999) -> Trainer:
    """A trainer whose `params` are the moving average `θ̄ <- decay θ̄ + (1 - decay) θ`, taken after each iteration.

    Acting and learning use θ as before. Raises `ConfigError` if `decay` is not in [0, 1).
    """
    require("decay", decay, lambda x: 0 <= x < 1, "must lie in [0, 1).")

    def init(key: jax.Array) -> Averaged:
        state = trainer.init(key)
        return Averaged(state, jax.tree.map(jnp.copy, trainer.params(state)))

    def step(averaged: Averaged) -> tuple[Averaged, Metrics]:
        state, metrics = trainer.step(averaged.state)
        params = optax.incremental_update(trainer.params(state), averaged.params, 1 - decay)
        return Averaged(state, params), metrics

    return trainer._replace(
        init=init,
        step=step,
        params=lambda averaged: averaged.params,
        value=lambda averaged: trainer.value(averaged.state),
    )


class WithResets(NamedTuple):
    """The state of a trainer, and how often its learner was reset."""

    state: Any
    num_resets: jax.Array
    """`[]` int32."""


def resets(trainer: Trainer, period: int) -> Trainer:
    """Starts learning afresh every `period` updates: parameters, target and optimizer; replay and environments stay.

    Against the overfitting of a high replay ratio (`num_updates` above `num_steps * num_envs`), Nikishin
    et al. (2022), arXiv:2205.07802. A reset precedes the next iteration, so that the parameters that are
    evaluated are never untrained. Schedules of optax optimizers continue; those of
    `optax.inject_hyperparams` start again. Takes a `training.dqn`. Raises `ConfigError` if `period`
    is below 1.
    """
    validate(period=period)

    def init(key: jax.Array) -> WithResets:
        return WithResets(trainer.init(key), jnp.int32(0))

    def step(carry: WithResets) -> tuple[WithResets, Metrics]:
        state, num_resets = carry
        key, reset_key = jax.random.split(state.key)

        def fresh() -> Any:
            # All of `init` but the learner is dead code, which XLA removes.
            new = trainer.init(reset_key).learner
            opt_state = _with_schedules(new.opt_state, state.learner.opt_state)
            return new._replace(opt_state=opt_state, num_updates=state.learner.num_updates)

        due = state.learner.num_updates // period > num_resets
        learner = jax.lax.cond(due, fresh, lambda: state.learner)
        state, metrics = trainer.step(state._replace(learner=learner, key=key))
        return WithResets(state, num_resets + due), metrics

    return trainer._replace(
        init=init,
        step=step,
        params=lambda carry: trainer.params(carry.state),
        value=lambda carry: trainer.value(carry.state),
    )


def _with_schedules(new: optax.OptState, old: optax.OptState) -> optax.OptState:
    """The state `new` of an optimizer, with the progress of the schedules in `old`."""

    def is_schedule(node: Any) -> bool:
        return isinstance(node, optax.ScaleByScheduleState)

    def choose(new: Any, old: Any) -> Any:
        return old if is_schedule(new) else new

    return jax.tree.map(choose, new, old, is_leaf=is_schedule)
