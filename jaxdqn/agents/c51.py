"""Categorical DQN (C51), Bellemare et al. (2017), arXiv:1707.06887."""

from collections.abc import Callable

import jax
import optax

from jaxdqn import distributions, targets
from jaxdqn.agents.agent import Agent, Losses, Network, without_noise
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


def c51(
    network: Network,
    support: jax.Array,
    bootstrap_action: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_action,
) -> Agent:
    """Learns the distribution of the return as probabilities of the atoms `support [Z]`.

    `network` returns logits `[..., A, Z]`; `q = Σ_z p_z z`. The target is the distribution of
    `r + γ z`, projected onto the support (algorithm 1), where `z` follows the distribution of
    the next state under θ⁻ and the action `bootstrap_action(q(s'; θ⁻), q(s'; θ))`. The loss is
    the cross-entropy between target and prediction, and also the priority, as in dqn_zoo and
    Dopamine; Rainbow, arXiv:1710.02298, names the KL divergence, which is smaller by the entropy of
    the target.
    """

    def q_values(params: Params, obs: jax.Array) -> jax.Array:
        return jax.nn.softmax(network.apply(params, obs)) @ support

    def target(
        key: jax.Array, params: Params, target_params: Params, batch: Transition
    ) -> jax.Array:
        del key
        next_logits = network.apply(target_params, batch.next_obs)
        next_probabilities = jax.nn.softmax(next_logits)
        action = bootstrap_action(next_probabilities @ support, q_values(params, batch.next_obs))
        atoms = targets.td_target_row(batch.reward, batch.discount, support[None])
        return distributions.project(atoms, targets.select_row(next_probabilities, action), support)

    def loss(key: jax.Array, params: Params, batch: Transition, target: jax.Array) -> Losses:
        del key
        logits = targets.select_row(network.apply(params, batch.obs), batch.action)
        cross_entropy = optax.softmax_cross_entropy(logits, target)
        td_error = (target - jax.nn.softmax(logits)) @ support
        return Losses(cross_entropy, td_error, cross_entropy)

    return Agent(network.init, q_values, target, loss, without_noise(q_values))
