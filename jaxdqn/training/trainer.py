"""Interface between a training algorithm and everything that runs it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from jaxdqn.networks import Params
from jaxdqn.training.rollout import Episodes


class Metrics(NamedTuple):
    """Measurements of one iteration; `[K]` after K of them."""

    env_steps: jax.Array
    """`[]` int32, environment steps taken so far."""
    num_updates: jax.Array
    """`[]` int32, gradient steps taken so far."""
    loss: jax.Array
    """`[]`, mean over the updates of the iteration."""
    epsilon: jax.Array
    """`[]`, probability of a random action, mean over the environments."""
    td_error: jax.Array
    """`[]`, mean magnitude of the TD errors of these updates."""
    grad_norm: jax.Array
    """`[]`, mean global norm of their gradients, before clipping."""
    episodes: Episodes
    """The episodes that ended in the iteration."""
    extra: Mapping[str, jax.Array] = {}
    """Other scalars by name, which are logged like the loss."""


class Trainer(NamedTuple):
    """A training algorithm as pure functions."""

    init: Callable[[jax.Array], Any]
    """`(key) -> state`."""
    step: Callable[[Any], tuple[Any, Metrics]]
    """`(state) -> (state, metrics)`: one iteration."""
    params: Callable[[Any], Params]
    """`(state) -> params`, the parameters that are evaluated and saved."""
    value: Callable[[Any], jax.Array]
    """`(state) -> []`, the mean of `max_a q` over the current observations, for the log."""
    learning_starts: int
    """Environment steps that `init` takes."""
    iteration_steps: int
    """Environment steps that `step` takes."""


def run(trainer: Trainer, state: Any, num_iterations: int) -> tuple[Any, Metrics]:
    """`num_iterations` iterations in one `lax.scan`; metrics `[num_iterations]`.

    Pure: jit it, and donate the state so that the replay is updated in place.
    """
    return jax.lax.scan(lambda state, _: trainer.step(state), state, length=num_iterations)
