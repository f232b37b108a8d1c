"""Policies: functions `(key, params, obs [N, *obs]) -> action [N]`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxdqn.networks import Params

QValues = Callable[[Params, jax.Array], jax.Array]
"""`(params, obs [..., *obs]) -> q [..., A]`."""
Policy = Callable[[jax.Array, Params, jax.Array], jax.Array]


def greedy(q_values: QValues) -> Policy:
    """`argmax_a q(a)`; the first of equal values."""

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        del key
        return jnp.argmax(q_values(params, obs), axis=-1)

    return policy


def random(num_actions: int) -> Policy:
    """Uniform over the actions."""

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        del params
        return jax.random.randint(key, obs.shape[:1], 0, num_actions)

    return policy


def epsilon_greedy(
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array], epsilon: float | jax.Array
) -> Policy:
    """A uniform action with probability `epsilon` (`[]` or `[N]`) in each environment; else `argmax_a q(a)`.

    `explore` is `(key, params, obs [N, *obs]) -> q [N, A]`, as in `Agent.explore`.
    """

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        explore_key, noise_key = jax.random.split(key)
        q = explore(explore_key, params, obs)
        num_actions = q.shape[-1]
        # One call of the generator for both, because each costs microseconds on a CPU.
        noise = jax.random.uniform(noise_key, (2, *q.shape[:-1]))
        uniform_action = (noise[1] * num_actions).astype(jnp.int32)
        return jnp.where(noise[0] < epsilon, uniform_action, jnp.argmax(q, axis=-1))

    return policy


def apex_epsilon(num_envs: int, base: float = 0.4, alpha: float = 7.0) -> jax.Array:
    """`base^(1 + α i / (N - 1))` for environment i: `[N]`, from `base` to nearly zero.

    Ape-X, Horgan et al. (2018), arXiv:1803.00933, section 4.1.
    """
    return base ** (1 + alpha * jnp.arange(num_envs) / max(num_envs - 1, 1))
