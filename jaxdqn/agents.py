"""What is learnt, and from which error? An agent is three pure functions of its parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import optax

from jaxdqn import targets
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


class Agent(NamedTuple):
    """The seam between a method and everything that runs it."""

    init: Callable[[jax.Array, jax.Array], Params]
    """`(key, obs [..., *obs]) -> params`."""
    q_values: Callable[[Params, jax.Array], jax.Array]
    """`(params, obs [..., *obs]) -> q [..., A]`."""
    loss: Callable[[jax.Array, Params, Params, Transition], tuple[jax.Array, jax.Array]]
    """`(key, params, target_params, batch [B]) -> (loss [B], td_error [B])`; the gradient is by `params`."""


class Network(Protocol):
    """What an agent needs of a network; every Flax linen module has it."""

    def init(self, key: jax.Array, obs: jax.Array, /) -> Any: ...
    def apply(self, params: Any, obs: jax.Array, /) -> Any: ...


def dqn(
    network: Network,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """Deep Q-learning, Mnih et al. (2015), doi:10.1038/nature14236.

    `loss = error_loss(δ)` with `δ = r + γ bootstrap(q(s'; θ⁻), q(s'; θ)) - q(s, a; θ)`,
    where no gradient flows through the target. The default loss is `δ² / 2`;
    `optax.huber_loss` clips its slope to ±1.
    """

    def loss(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> tuple[jax.Array, jax.Array]:
        del key
        value = bootstrap(
            network.apply(target_params, batch.next_obs),
            network.apply(params, batch.next_obs),
        )
        target = jax.lax.stop_gradient(targets.td_target(batch.reward, batch.discount, value))
        td_error = target - targets.select(network.apply(params, batch.obs), batch.action)
        return error_loss(td_error), td_error

    return Agent(network.init, network.apply, loss)
