"""What is an agent? Four pure functions of its parameters, the seam between a method and its runs."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from jaxdqn.networks import Params
from jaxdqn.transition import Transition

QValues = Callable[[Params, jax.Array], jax.Array]
"""`(params, obs [..., *obs]) -> q [..., A]`."""


class Agent(NamedTuple):
    """What is learnt, and from which error."""

    init: Callable[[jax.Array, jax.Array], Params]
    """`(key, obs [..., *obs]) -> params`."""
    q_values: QValues
    """`(params, obs [..., *obs]) -> q [..., A]`: the expected return, what a greedy policy compares."""
    loss: Callable[[jax.Array, Params, Params, Transition], tuple[jax.Array, jax.Array]]
    """`(key, params, target_params, batch [B]) -> (loss [B], td_error [B])`; the gradient is by `params`."""
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array]
    """`(key, params, obs [N, *obs]) -> q [N, A]` to act by while learning; noisy for some."""


class Network(Protocol):
    """What an agent needs of a network; every Flax linen module has it."""

    def init(self, key: jax.Array, obs: jax.Array, /) -> Any: ...
    def apply(self, params: Any, obs: jax.Array, /) -> Any: ...


def without_noise(q_values: QValues) -> Callable[[jax.Array, Params, jax.Array], jax.Array]:
    """For agents that explore by the values they know."""
    return lambda key, params, obs: q_values(params, obs)
