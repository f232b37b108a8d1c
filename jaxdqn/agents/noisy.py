"""Noisy networks, Fortunato et al. (2018), arXiv:1706.10295."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.agents.agent import Agent
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition


class NoisyParams(NamedTuple):
    """The learned mean and standard deviation of each weight."""

    mean: Params
    scale: Params


def noisy(agent: Agent, initial_scale: float = 0.5) -> Agent:
    """Adds exploration noise to the weights of `agent`: `θ = μ + σ ⊙ ε`.

    ε is sampled independently for each environment and step of a rollout, and for the online and
    the target network of each update; `q_values` uses the means. The noise is factorised
    (section 3b): for a layer from p to q units, `ε_kernel = f(ε_p) f(ε_q)ᵀ` and
    `ε_bias = f(ε_q)` with `f(x) = sign(x) √|x|`; σ is initialised to `initial_scale / √p`.
    Noisy layers are those of Flax' form `{"kernel": [p, q], "bias": [q]}`; the p inputs of a
    convolution `[h, w, C, q]` are the `h w C` numbers in its window. Others, such as LayerNorm, have
    no noise. Replaces ε-greedy exploration: set its ε to 0. Raises
    `ConfigError` if `initial_scale` is not positive.
    """
    require("initial_scale", initial_scale, lambda x: x > 0, "must be above 0.")

    def init(key: jax.Array, obs: jax.Array) -> NoisyParams:
        mean = agent.init(key, obs)

        def scale(layer: dict) -> dict:
            inputs = math.prod(layer["kernel"].shape[:-1])
            value = initial_scale / jnp.sqrt(inputs)
            return {name: jnp.full_like(weight, value) for name, weight in layer.items()}

        return NoisyParams(mean, map_layers(scale, mean))

    def q_values(params: NoisyParams, obs: jax.Array) -> jax.Array:
        return agent.q_values(params.mean, obs)

    def loss(
        key: jax.Array, params: NoisyParams, target_params: NoisyParams, batch: Transition
    ) -> tuple[jax.Array, jax.Array]:
        online_key, target_key, loss_key = jax.random.split(key, 3)
        online, target = sample_params(online_key, params), sample_params(target_key, target_params)
        return agent.loss(loss_key, online, target, batch)

    def explore(key: jax.Array, params: NoisyParams, obs: jax.Array) -> jax.Array:
        def one_env(key: jax.Array, obs: jax.Array) -> jax.Array:
            return agent.q_values(sample_params(key, params), obs)

        return jax.vmap(one_env)(jax.random.split(key, obs.shape[0]), obs)

    return Agent(init, q_values, loss, explore)


def sample_params(key: jax.Array, params: NoisyParams) -> Params:
    """Samples `μ + σ ⊙ ε`, parameters of the underlying agent."""
    layers: list[dict] = []
    map_layers(layers.append, params.mean)
    keys = iter(jax.random.split(key, len(layers)))

    def noise(layer: dict) -> dict:
        *window, outputs = layer["kernel"].shape
        inputs = math.prod(window)
        normal = jax.random.normal(next(keys), (inputs + outputs,))
        squashed = jnp.sign(normal) * jnp.sqrt(jnp.abs(normal))
        column, row = squashed[:inputs], squashed[inputs:]
        kernel = (column[:, None] * row[None]).reshape(*window, outputs)
        return {"kernel": kernel, "bias": row}

    epsilon = map_layers(noise, params.mean)
    return jax.tree.map(lambda μ, σ, ε: μ + σ * ε, params.mean, params.scale, epsilon)


def map_layers(function, tree):
    """Applies `function` to each dense layer of a tree of Flax parameters; other leaves become zeros."""
    if not isinstance(tree, dict):
        return jnp.zeros_like(tree)
    if "kernel" in tree:
        return function(tree)
    return {name: map_layers(function, branch) for name, branch in tree.items()}
