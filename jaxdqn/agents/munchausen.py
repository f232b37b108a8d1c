"""Munchausen DQN, Vieillard et al. (2020), arXiv:2007.14430."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxdqn import targets
from jaxdqn.agents.agent import Agent, Network
from jaxdqn.agents.dqn import dqn
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def munchausen(
    network: Network,
    temperature: float | jax.Array = 0.03,
    alpha: float | jax.Array = 0.9,
    log_policy_min: float = -1.0,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """DQN with a soft bootstrap and the scaled log-policy added to the reward, `π = softmax(q(·; θ⁻) / τ)`.

    The target is `r + α [τ log π(a|s)] + γ Σ_a' π(a'|s') (q(s', a'; θ⁻) - τ log π(a'|s'))`,
    where the bracket is clipped to `[log_policy_min, 0]` (eq. 2 and section 2.1).
    `τ = temperature > 0`; the limit τ → 0 with α = 0 is DQN. Of an n-step transition, only the
    first reward is augmented. Raises `ConfigError` for invalid numbers.
    """
    require("temperature", temperature, lambda x: x > 0, "must be above 0.")
    require("alpha", alpha, lambda x: 0 <= x <= 1, "must lie in [0, 1].")
    require("log_policy_min", log_policy_min, lambda x: x <= 0, "must be at most 0.")

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key, params
        log_policy = jax.nn.log_softmax(network.apply(target_params, batch.obs) / temperature)
        bonus = temperature * targets.select(log_policy, batch.action)
        reward = batch.reward + alpha * jnp.clip(bonus, log_policy_min, 0.0)
        value = targets.soft_value(network.apply(target_params, batch.next_obs), temperature)
        return targets.td_target(reward, batch.discount, value)

    return dqn(network, error_loss=error_loss)._replace(target=target)
