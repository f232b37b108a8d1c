"""Deep Q-learning, Mnih et al. (2015), doi:10.1038/nature14236."""

from collections.abc import Callable

import jax
import optax

from jaxdqn import targets
from jaxdqn.agents.agent import Agent, Network, without_noise
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def dqn(
    network: Network,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """Minimises `error_loss(δ)` with `δ = r + discount · bootstrap(q(s'; θ⁻), q(s'; θ)) - q(s, a; θ)`.

    θ are the online parameters, θ⁻ those of the target network. `discount` is zero after
    termination, and `γ^m` after m steps. No gradient flows through the target. The loss is by
    default `δ² / 2`; `optax.huber_loss` clips its derivative to [-1, 1].
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

    return Agent(network.init, network.apply, loss, without_noise(network.apply))
