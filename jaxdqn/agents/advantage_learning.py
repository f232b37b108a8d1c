"""Advantage learning, Bellemare et al. (2016), arXiv:1512.04860."""

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

Operator = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""`(bellman [B], repeated [B], penalty [B]) -> target [B]`."""


def advantage_learning(
    network: Network,
    alpha: float | jax.Array = 0.9,
    operator: Operator = targets.advantage_learning,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """DQN with a lower target for actions other than the best, which increases the action gap.

    `operator` is `targets.advantage_learning` or `targets.persistent_advantage_learning`; the latter
    is defined for transitions of one step only, since it repeats the action in the next state.
    The penalty is `α (max_b q(s, b; θ⁻) - q(s, a; θ⁻))` with `alpha` in [0, 1); 0 is DQN.
    Raises `ConfigError` if `alpha` is out of range.
    """
    require("alpha", alpha, lambda x: 0 <= x < 1, "must lie in [0, 1).")

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key, params
        q = network.apply(target_params, batch.obs)
        next_q = network.apply(target_params, batch.next_obs)
        bellman = targets.td_target(batch.reward, batch.discount, jnp.max(next_q, axis=-1))
        next_same = targets.select(next_q, batch.action)
        repeated = targets.td_target(batch.reward, batch.discount, next_same)
        gap = jnp.max(q, axis=-1) - targets.select(q, batch.action)
        return operator(bellman, repeated, alpha * gap)

    return dqn(network, error_loss=error_loss)._replace(target=target)
