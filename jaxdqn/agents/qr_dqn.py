"""Quantile regression DQN (QR-DQN), Dabney et al. (2018), arXiv:1710.10044."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, Losses, Network, without_noise
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def qr_dqn(
    network: Network,
    num_quantiles: int,
    kappa: float | jax.Array = 1.0,
    bootstrap_action: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_action,
) -> Agent:
    """Learns the quantiles of the return at the levels `(i + 1/2) / Z`, `Z = num_quantiles`.

    `network` returns quantiles `[..., A, Z]`; `q` is their mean. The loss is the quantile Huber
    loss of all pairs of predicted and target quantiles, summed over the predicted and averaged
    over the target quantiles (eq. 10); it is also the priority. Raises `ConfigError` for invalid
    numbers.
    """
    require("num_quantiles", num_quantiles, lambda x: x >= 1, "must be at least 1.")
    require("kappa", kappa, lambda x: x > 0, "must be above 0.")
    levels = (jnp.arange(num_quantiles) + 0.5) / num_quantiles

    def q_values(params: Params, obs: jax.Array) -> jax.Array:
        return jnp.mean(network.apply(params, obs), axis=-1)

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key
        next_quantiles = network.apply(target_params, batch.next_obs)
        action = bootstrap_action(next_quantiles.mean(-1), q_values(params, batch.next_obs))
        return targets.td_target_row(
            batch.reward, batch.discount, targets.select_row(next_quantiles, action)
        )

    def loss(key: jax.Array, params: Params, batch: Transition, target: jax.Array) -> Losses:
        del key
        predicted = targets.select_row(network.apply(params, batch.obs), batch.action)
        level = jnp.broadcast_to(levels, predicted.shape)
        huber = distributions.quantile_huber(predicted, level, target, kappa)
        return Losses(huber, target.mean(-1) - predicted.mean(-1), huber)

    return Agent(network.init, q_values, target, loss, without_noise(q_values))
