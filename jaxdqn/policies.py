"""Which action next? A policy is `(key, params, obs [N, *obs]) -> action [N]`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxdqn.networks import Params

QValues = Callable[[Params, jax.Array], jax.Array]
Policy = Callable[[jax.Array, Params, jax.Array], jax.Array]


def greedy(q_values: QValues) -> Policy:
    """`argmax_a q(a)`; of equal values the first."""

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        del key
        return jnp.argmax(q_values(params, obs), axis=-1)

    return policy


def random(num_actions: int) -> Policy:
    """Uniform over the actions, whatever is observed."""

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        del params
        return jax.random.randint(key, obs.shape[:1], 0, num_actions)

    return policy


def epsilon_greedy(q_values: QValues, epsilon: float | jax.Array) -> Policy:
    """With probability `epsilon`, in each world on its own, a uniform action; else the greedy one."""

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        q = q_values(params, obs)
        num_actions = q.shape[-1]
        # One draw for both: on a CPU each call of the generator costs microseconds.
        draw = jax.random.uniform(key, (2, *q.shape[:-1]))
        uniform_action = (draw[1] * num_actions).astype(jnp.int32)
        return jnp.where(draw[0] < epsilon, uniform_action, jnp.argmax(q, axis=-1))

    return policy
