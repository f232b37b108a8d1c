"""Bootstrap values and temporal-difference targets, under any leading axes `...`.

A bootstrap is a function `(q_target, q_online) -> value`: from the action values `[..., A]` of the
next state, under the target and the online parameters, to its value `[...]`. Any such function
can be passed to `agents.dqn(network, bootstrap=...)`.
"""

import jax
import jax.numpy as jnp


def select(q: jax.Array, action: jax.Array) -> jax.Array:
    """`q(a)`: the values `[...]` of `action [...]` in `q [..., A]`."""
    return jnp.take_along_axis(q, action[..., None], axis=-1).squeeze(-1)


def select_row(x: jax.Array, action: jax.Array) -> jax.Array:
    """`x(a)`: the rows `[..., Z]` of `action [...]` in `x [..., A, Z]`."""
    return jnp.take_along_axis(x, action[..., None, None], axis=-2).squeeze(-2)


def max_action(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`argmax_a q_target(a)`, the action of `max_q`."""
    del q_online
    return jnp.argmax(q_target, axis=-1)


def double_action(q_target: jax.Array, q_online: jax.Array) -> jax.Array:
    """`argmax_a q_online(a)`, the action of `double_q`."""
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
    """`Σ_a π(a) (q(a) - τ log π(a)) = τ log Σ_a exp(q(a) / τ)` with `π = softmax(q / τ)`."""
    return temperature * jax.nn.logsumexp(q / temperature, axis=-1)


def advantage_learning(bellman: jax.Array, repeated: jax.Array, penalty: jax.Array) -> jax.Array:
    """`Tq(s, a) - α (max_b q(s, b) - q(s, a))`, the target `bellman` minus the `penalty`.

    Bellemare et al. (2016), arXiv:1512.04860, eq. 8; Baird (1999).
    """
    del repeated
    return bellman - penalty


def persistent_advantage_learning(
    bellman: jax.Array, repeated: jax.Array, penalty: jax.Array
) -> jax.Array:
    """`max(bellman - penalty, repeated)`, where `repeated` is `r + γ q(s', a)` for the same action `a`.

    Bellemare et al. (2016), arXiv:1512.04860, section 4.
    """
    return jnp.maximum(bellman - penalty, repeated)


def td_target(reward: jax.Array, discount: jax.Array, value: jax.Array) -> jax.Array:
    """`r + γ v`, all `[...]`; `discount` is `γ^m` for a return of m steps, and zero on termination."""
    return reward + discount * value


def td_target_row(reward: jax.Array, discount: jax.Array, row: jax.Array) -> jax.Array:
    """`td_target` of each entry of `row [..., Z]`, with one reward and discount `[...]` per row."""
    return td_target(reward[..., None], discount[..., None], row)
