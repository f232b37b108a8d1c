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


def epsilon_greedy(
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array], epsilon: float | jax.Array
) -> Policy:
    """With probability `epsilon`, in each world on its own, a uniform action; else `explore`'s best.

    `explore` is `(key, params, obs [N, *obs]) -> q [N, A]`, an agent's.
    """

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        explore_key, dice_key = jax.random.split(key)
        q = explore(explore_key, params, obs)
        num_actions = q.shape[-1]
        # One draw for both: on a CPU each call of the generator costs microseconds.
        dice = jax.random.uniform(dice_key, (2, *q.shape[:-1]))
        uniform_action = (dice[1] * num_actions).astype(jnp.int32)
        return jnp.where(dice[0] < epsilon, uniform_action, jnp.argmax(q, axis=-1))

    return policy
