"""Implicit quantile networks (IQN), Dabney et al. (2018), arXiv:1806.06923."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, without_noise
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


class QuantileNetwork(Protocol):
    """A network that returns the quantiles `[..., A, K]` of the return at given levels, `[..., K]` or `[K]` for all."""

    def init(self, key: jax.Array, obs: jax.Array, levels: jax.Array, /) -> Any: ...
    def apply(self, params: Any, obs: jax.Array, levels: jax.Array, /) -> Any: ...


def iqn(
    network: QuantileNetwork,
    num_levels: int = 8,
    num_target_levels: int = 8,
    num_acting_levels: int = 32,
    kappa: float | jax.Array = 1.0,
    bootstrap_action: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_action,
) -> Agent:
    """Learns the quantile function of the return at random levels `τ ~ U(0, 1)`, sampled for each loss.

    The loss is that of QR-DQN (eq. 3), with `num_levels` predicted and `num_target_levels` target
    quantiles. `q` is the mean of the quantiles at `num_acting_levels` fixed midpoints
    `(i + 1/2) / K`; the paper samples these levels, but fixed ones make the greedy policy
    deterministic. Raises `ConfigError` for invalid numbers.
    """
    for name, value in (
        ("num_levels", num_levels),
        ("num_target_levels", num_target_levels),
        ("num_acting_levels", num_acting_levels),
    ):
        require(name, value, lambda x: x >= 1, "must be at least 1.")
    require("kappa", kappa, lambda x: x > 0, "must be above 0.")
    midpoints = (jnp.arange(num_acting_levels) + 0.5) / num_acting_levels

    def init(key: jax.Array, obs: jax.Array) -> Params:
        return network.init(key, obs, midpoints)

    def q_values(params: Params, obs: jax.Array) -> jax.Array:
        return jnp.mean(network.apply(params, obs, midpoints), axis=-1)

    def loss(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> tuple[jax.Array, jax.Array]:
        key, target_key = jax.random.split(key)
        batch_size = batch.reward.shape[0]
        level = jax.random.uniform(key, (batch_size, num_levels))
        target_level = jax.random.uniform(target_key, (batch_size, num_target_levels))
        action = bootstrap_action(
            q_values(target_params, batch.next_obs), q_values(params, batch.next_obs)
        )
        next_quantiles = network.apply(target_params, batch.next_obs, target_level)
        target = jax.lax.stop_gradient(
            targets.td_target_row(
                batch.reward, batch.discount, targets.select_row(next_quantiles, action)
            )
        )
        predicted = targets.select_row(network.apply(params, batch.obs, level), batch.action)
        td_error = target.mean(-1) - predicted.mean(-1)
        return distributions.quantile_huber(predicted, level, target, kappa), td_error

    return Agent(init, q_values, loss, without_noise(q_values))
