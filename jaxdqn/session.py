"""What happens between two looks from the host? A chunk of training, then a greedy evaluation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn import training
from jaxdqn.networks import Params
from jaxdqn.training import Metrics, Trainer

Evaluate = Callable[[jax.Array, Params], jax.Array]
"""`(key, params) -> returns [E]`, one for each episode."""


class Session(NamedTuple):
    """A run and what was found out about it: what a checkpoint holds."""

    state: Any
    """The trainer's."""
    evaluation_key: jax.Array
    """`[]`, a stream of its own: how often one looks does not change what is learnt."""
    best_params: Params
    """Of the evaluation with the highest mean so far; of equal ones the last. Never lost ones."""
    best_return: jax.Array
    """`[]` float32, that mean; minus infinity before the first."""


class Report(NamedTuple):
    """What the host is told after a chunk of K iterations."""

    metrics: Metrics
    """`[K]`."""
    greedy_return: jax.Array
    """`[]`, mean over the evaluation's episodes."""
    finite: jax.Array
    """`[]` bool, whether every parameter is a number still: the last update's loss cannot tell."""


def init(key: jax.Array, trainer: Trainer) -> Session:
    """A session before its first chunk."""
    train_key, evaluation_key = jax.random.split(key)
    state = trainer.init(train_key)
    best_params = jax.tree.map(jnp.copy, trainer.params(state))
    return Session(state, evaluation_key, best_params, jnp.float32(-jnp.inf))


def advance(
    session: Session, trainer: Trainer, evaluate: Evaluate, num_iterations: int
) -> tuple[Session, Report]:
    """Trains for `num_iterations` and evaluates. Pure: jit it and donate the session."""
    state, metrics = training.run(trainer, session.state, num_iterations)
    params = trainer.params(state)
    key = jax.random.fold_in(session.evaluation_key, metrics.world_steps[-1])
    greedy_return = jnp.mean(evaluate(key, params))
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
    better = finite & (greedy_return >= session.best_return)
    best_params = jax.tree.map(
        lambda new, old: jnp.where(better, new, old), params, session.best_params
    )
    best_return = jnp.where(better, greedy_return, session.best_return)
    report = Report(metrics, greedy_return, finite)
    return Session(state, session.evaluation_key, best_params, best_return), report


def whole(
    key: jax.Array, trainer: Trainer, evaluate: Evaluate, num_iterations: int, length: int
) -> tuple[Session, jax.Array]:
    """A training from its key to its end, where no host looks: the last session, greedy returns `[chunks]`.

    Chunks of `length` iterations, the last one shorter where they do not divide all.
    """

    def chunk(session: Session, length: int = length) -> tuple[Session, jax.Array]:
        session, report = advance(session, trainer, evaluate, length)
        return session, report.greedy_return

    chunks, rest = divmod(num_iterations, length)
    session, returns = jax.lax.scan(
        lambda session, _: chunk(session), init(key, trainer), length=chunks
    )
    if rest:
        session, last = chunk(session, rest)
        returns = jnp.append(returns, last)
    return session, returns
