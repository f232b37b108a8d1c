"""Values as classes (HL-Gauss), Farebrother et al. (2024), arXiv:2403.03950."""

from collections.abc import Callable

import jax
import optax

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, Network, without_noise
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def hl_gauss(
    network: Network,
    support: jax.Array,
    sigma: float | jax.Array,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
) -> Agent:
    """DQN whose value is a histogram: the scalar target, blurred by a normal of width `sigma > 0`.

    `network` gives logits `[..., A, Z]` over bins centred on `support [Z]`, evenly
    spaced; `q = Σ_z p_z z`. The loss is the cross-entropy from the target's histogram
    (eq. 4 and appendix A). Unlike C51 it does not learn how returns are distributed.
    """
    require("sigma", sigma, lambda x: x > 0, "must be above 0.")

    def q_values(params: Params, obs: jax.Array) -> jax.Array:
        return jax.nn.softmax(network.apply(params, obs)) @ support

    def loss(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> tuple[jax.Array, jax.Array]:
        del key
        value = bootstrap(q_values(target_params, batch.next_obs), q_values(params, batch.next_obs))
        target = jax.lax.stop_gradient(targets.td_target(batch.reward, batch.discount, value))
        logits = targets.select_row(network.apply(params, batch.obs), batch.action)
        td_error = target - jax.nn.softmax(logits) @ support
        histogram = distributions.gaussian_histogram(target, support, sigma)
        return optax.softmax_cross_entropy(logits, histogram), td_error

    return Agent(network.init, q_values, loss, without_noise(q_values))
