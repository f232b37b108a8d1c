"""Histogram loss with Gaussian targets (HL-Gauss), Farebrother et al. (2024), arXiv:2403.03950."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, Losses, Network, without_noise
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def hl_gauss(
    network: Network,
    support: jax.Array,
    sigma: float | jax.Array,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
) -> Agent:
    """DQN that learns its values by classification instead of regression.

    `network` returns logits `[..., A, Z]` over bins centred on the evenly spaced `support [Z]`;
    `q = Σ_z p_z z`. The loss is the cross-entropy between the prediction and the histogram of a
    normal distribution with the scalar target as mean and `sigma > 0` as standard deviation
    (eq. 4 and appendix A). Unlike C51, it does not learn the distribution of the return, and the
    priority is `|δ|`. Raises `ConfigError` if `sigma` is out of range.
    """
    require("sigma", sigma, lambda x: x > 0, "must be above 0.")

    def q_values(params: Params, obs: jax.Array) -> jax.Array:
        return jax.nn.softmax(network.apply(params, obs)) @ support

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key
        value = bootstrap(q_values(target_params, batch.next_obs), q_values(params, batch.next_obs))
        return targets.td_target(batch.reward, batch.discount, value)

    def loss(key: jax.Array, params: Params, batch: Transition, target: jax.Array) -> Losses:
        del key
        logits = targets.select_row(network.apply(params, batch.obs), batch.action)
        td_error = target - jax.nn.softmax(logits) @ support
        histogram = distributions.gaussian_histogram(target, support, sigma)
        return Losses(optax.softmax_cross_entropy(logits, histogram), td_error, jnp.abs(td_error))

    return Agent(network.init, q_values, target, loss, without_noise(q_values))
