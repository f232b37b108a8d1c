"""What is the next state worth? Bootstraps, under any leading axes `...`.

A bootstrap is a function `(q_target, q_online) -> value` of the action values
`[..., A]` of the next state under the target and under the online parameters.
Write your own and hand it to `agents.dqn(network, bootstrap=...)`.
"""

import jax
import jax.numpy as jnp


def select(q: jax.Array, action: jax.Array) -> jax.Array:
    """`q(a)`: from `q [..., A]` the value `[...]` of `action [...]`."""
    return jnp.take_along_axis(q, action[..., None], axis=-1).squeeze(-1)


def max_q(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`max_a q_target(a)`, Mnih et al. (2015), doi:10.1038/nature14236."""
    del q_online
    return jnp.max(q_target, axis=-1)


def double_q(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`q_target(argmax_a q_online(a))`, van Hasselt et al. (2016), arXiv:1509.06461."""
    return select(q_target, jnp.argmax(q_online, axis=-1))


def td_target(reward: jax.Array, discount: jax.Array, value: jax.Array) -> jax.Array:
    """`r + γ v`, where `discount` is `γ^m` of m steps, and zero after a terminal state."""
    return reward + discount * value
