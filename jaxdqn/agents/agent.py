"""Interface of an agent: its parameters, action values, targets, loss and exploration."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from jaxdqn.networks import Params
from jaxdqn.policies import QValues
from jaxdqn.transition import Transition

Target = Any
"""What a prediction is regressed on: values `[B]`, probabilities or quantiles `[B, Z]`, or a pytree of such."""


class Losses(NamedTuple):
    """The result of `Agent.loss` for a batch."""

    loss: jax.Array
    """`[B]`, minimised."""
    td_error: jax.Array
    """`[B]`, target minus prediction; for distributions the difference of their means."""
    priority: jax.Array
    """`[B]`, non-negative, the new priority of each transition in prioritized replay."""


class Agent(NamedTuple):
    """An algorithm as pure functions of its parameters."""

    init: Callable[[jax.Array, jax.Array], Params]
    """`(key, obs [..., *obs]) -> params`."""
    q_values: QValues
    """`(params, obs [..., *obs]) -> q [..., A]`, the expected returns that a greedy policy compares."""
    target: Callable[[jax.Array, Params, Params, Transition], Target]
    """`(key, params, target_params, batch [B]) -> target [B, ...]`, constant in the gradient step."""
    loss: Callable[[jax.Array, Params, Transition, Target], Losses]
    """`(key, params, batch [B], target [B, ...]) -> losses`; its loss is differentiated in `params`."""
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array]
    """`(key, params, obs [N, *obs]) -> q [N, A]` for acting during training; may be noisy."""


class Network(Protocol):
    """The network that an agent trains; every Flax linen module satisfies it."""

    def init(self, key: jax.Array, obs: jax.Array, /) -> Any: ...
    def apply(self, params: Any, obs: jax.Array, /) -> Any: ...


def without_noise(q_values: QValues) -> Callable[[jax.Array, Params, jax.Array], jax.Array]:
    """`q_values` as `Agent.explore`, which explores without noise."""
    return lambda key, params, obs: q_values(params, obs)
