"""Deep Q-learning, Mnih et al. (2015), doi:10.1038/nature14236."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxdqn import targets
from jaxdqn.agents.agent import Agent, Losses, Network, without_noise
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def dqn(
    network: Network,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """Minimises `error_loss(δ)` with `δ = r + discount · bootstrap(q(s'; θ⁻), q(s'; θ)) - q(s, a; θ)`.

    θ are the online parameters, θ⁻ those of the target network. `discount` is zero after
    termination, and `γ^m` after m steps. The loss is by default `δ² / 2`; `optax.huber_loss` clips
    its derivative to [-1, 1]. The priority is `|δ|`, Schaul et al. (2016), arXiv:1511.05952.
    """

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key
        value = bootstrap(
            network.apply(target_params, batch.next_obs),
            network.apply(params, batch.next_obs),
        )
        return targets.td_target(batch.reward, batch.discount, value)

    def loss(key: jax.Array, params: Params, batch: Transition, target: jax.Array) -> Losses:
        del key
        td_error = target - targets.select(network.apply(params, batch.obs), batch.action)
        return Losses(error_loss(td_error), td_error, jnp.abs(td_error))

    return Agent(network.init, network.apply, target, loss, without_noise(network.apply))
