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


def select_row(x: jax.Array, action: jax.Array) -> jax.Array:
    """`x(a)`: from `x [..., A, Z]` the row `[..., Z]` of `action [...]`."""
    return jnp.take_along_axis(x, action[..., None, None], axis=-2).squeeze(-2)


def max_action(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`argmax_a q_target(a)`: the action whose value `max_q` is."""
    del q_online
    return jnp.argmax(q_target, axis=-1)


def double_action(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`argmax_a q_online(a)`: the action whose value `double_q` is."""
    del q_target
    return jnp.argmax(q_online, axis=-1)


def max_q(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`max_a q_target(a)`, Mnih et al. (2015), doi:10.1038/nature14236."""
    del q_online
    return jnp.max(q_target, axis=-1)


def double_q(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`q_target(argmax_a q_online(a))`, van Hasselt et al. (2016), arXiv:1509.06461."""
    return select(q_target, double_action(q_target, q_online))


def soft_value(q: jax.Array, temperature: float | jax.Array) -> jax.Array:
    """`Σ_a π(a) (q(a) - τ log π(a)) = τ log Σ_a exp(q(a) / τ)` of `π = softmax(q / τ)`."""
    return temperature * jax.nn.logsumexp(q / temperature, axis=-1)


def advantage_learning(bellman: jax.Array, repeated: jax.Array, penalty: jax.Array) -> jax.Array:
    """`Tq(s, a) - α (max_b q(s, b) - q(s, a))`: the target `bellman` less the `penalty`.

    Bellemare et al. (2016), arXiv:1512.04860, eq. 8; Baird (1999).
    """
    del repeated
    return bellman - penalty


def persistent_advantage_learning(
    bellman: jax.Array, repeated: jax.Array, penalty: jax.Array
) -> jax.Array:
    """Not less than the target `repeated`, `r + γ q(s', a)`, of taking the same action again.

    Bellemare et al. (2016), arXiv:1512.04860, section 4.
    """
    return jnp.maximum(bellman - penalty, repeated)


def td_target(reward: jax.Array, discount: jax.Array, value: jax.Array) -> jax.Array:
    """`r + γ v`, where `discount` is `γ^m` of m steps, and zero after a terminal state."""
    return reward + discount * value
