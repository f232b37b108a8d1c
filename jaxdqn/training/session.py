"""Sessions: chunks of training, each followed by a greedy evaluation, without the host."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.evaluation import Evaluation
from jaxdqn.networks import Params
from jaxdqn.training.trainer import Metrics, Trainer, run

Evaluate = Callable[[jax.Array, Params], Evaluation]
"""`(key, params) -> evaluation` of E episodes."""


class Session(NamedTuple):
    """A training state and the best parameters so far: the contents of a checkpoint."""

    state: Any
    """The state of the trainer."""
    evaluation_key: jax.Array
    """`[]`, a separate stream: the number of evaluations does not affect training."""
    best_params: Params
    """Parameters of the best evaluation so far, the latest of equal ones; non-finite ones are ignored."""
    best_return: jax.Array
    """`[]` float32, mean return of that evaluation; minus infinity before the first."""


class Report(NamedTuple):
    """Measurements of a chunk of K iterations."""

    metrics: Metrics
    """`[K]`."""
    eval_return: jax.Array
    """`[]`, mean over the episodes of the evaluation; NaN if a parameter is not finite."""
    eval_length: jax.Array
    """`[]`, mean number of steps of these episodes."""
    value: jax.Array
    """`[]`, mean of `max_a q` over the current observations of training."""
    finite: jax.Array
    """`[]` bool, whether all parameters are finite; the loss of the last update does not show it."""
    eval_error: jax.Array
    """`[]`, standard error of `eval_return`; NaN if there is one episode."""


def init(key: jax.Array, trainer: Trainer) -> Session:
    """The session before its first chunk."""
    train_key, evaluation_key = jax.random.split(key)
    state = trainer.init(train_key)
    best_params = jax.tree.map(jnp.copy, trainer.params(state))
    return Session(state, evaluation_key, best_params, jnp.float32(-jnp.inf))


def advance(
    session: Session, trainer: Trainer, evaluate: Evaluate, num_iterations: int
) -> tuple[Session, Report]:
    """Trains for `num_iterations`, then evaluates. Pure: jit it and donate the session."""
    state, metrics = run(trainer, session.state, num_iterations)
    params = trainer.params(state)
    key = jax.random.fold_in(session.evaluation_key, metrics.env_steps[-1])
    found = evaluate(key, params)
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
    # NaN parameters act too: the index of the largest of NaNs is 0.
    eval_return = jnp.where(finite, jnp.mean(found.returns), jnp.nan)
    better = eval_return >= session.best_return
    best_params = jax.tree.map(
        lambda new, old: jnp.where(better, new, old), params, session.best_params
    )
    best_return = jnp.where(better, eval_return, session.best_return)
    eval_length = jnp.mean(found.lengths.astype(jnp.float32))
    eval_error = jnp.std(found.returns, ddof=1) / jnp.sqrt(found.returns.size)
    value = trainer.value(state)
    report = Report(metrics, eval_return, eval_length, value, finite, eval_error)
    return Session(state, session.evaluation_key, best_params, best_return), report


def train(
    key: jax.Array, trainer: Trainer, evaluate: Evaluate, num_iterations: int, length: int
) -> tuple[Session, jax.Array]:
    """A whole training: the final session and the evaluation returns `[chunks]`.

    Each chunk has `length` iterations, the last one the remainder.
    """

    def chunk(session: Session, length: int = length) -> tuple[Session, jax.Array]:
        session, report = advance(session, trainer, evaluate, length)
        return session, report.eval_return

    chunks, rest = divmod(num_iterations, length)
    session, returns = jax.lax.scan(
        lambda session, _: chunk(session), init(key, trainer), length=chunks
    )
    if rest:
        session, last = chunk(session, rest)
        returns = jnp.append(returns, last)
    return session, returns
