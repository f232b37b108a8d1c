"""Implicit quantile networks (IQN), Dabney et al. (2018), arXiv:1806.06923."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, Losses, without_noise
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
    num_acting_levels: int = 8,
    kappa: float | jax.Array = 1.0,
    bootstrap_action: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_action,
) -> Agent:
    """Learns the quantile function of the return at random levels `τ ~ U(0, 1)`.

    The loss is that of QR-DQN (eq. 3), with `num_levels` predicted and `num_target_levels` target
    quantiles; it is also the priority. Each update samples one level in each of K equal intervals, for
    all its transitions; the paper samples them independently for each transition, which has the same
    mean, but takes twice as long. `q` is the mean of the quantiles at `num_acting_levels` fixed
    midpoints `(i + 1/2) / K`, where the paper samples 32 levels: the greedy policy is deterministic.
    Raises `ConfigError` for invalid numbers.
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

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        action = bootstrap_action(
            q_values(target_params, batch.next_obs), q_values(params, batch.next_obs)
        )
        level = stratified(key, num_target_levels)
        next_quantiles = network.apply(target_params, batch.next_obs, level)
        return targets.td_target_row(
            batch.reward, batch.discount, targets.select_row(next_quantiles, action)
        )

    def loss(key: jax.Array, params: Params, batch: Transition, target: jax.Array) -> Losses:
        level = stratified(key, num_levels)
        predicted = targets.select_row(network.apply(params, batch.obs, level), batch.action)
        level = jnp.broadcast_to(level, predicted.shape)
        huber = distributions.quantile_huber(predicted, level, target, kappa)
        return Losses(huber, target.mean(-1) - predicted.mean(-1), huber)

    return Agent(init, q_values, target, loss, without_noise(q_values))


def stratified(key: jax.Array, num_levels: int) -> jax.Array:
    """Levels `[K]`, the i-th uniform in `[i / K, (i + 1) / K)`."""
    return (jnp.arange(num_levels) + jax.random.uniform(key, (num_levels,))) / num_levels
