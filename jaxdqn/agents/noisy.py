"""Noisy networks, Fortunato et al. (2018), arXiv:1706.10295."""

import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import traverse_util

from jaxdqn.agents.agent import Agent, Losses, Target
from jaxdqn.config import require
from jaxdqn.networks import Params
from jaxdqn.transition import Transition

Path = tuple[str, ...]
"""The names from the root of a tree of parameters to a layer."""


class NoisyParams(NamedTuple):
    """The learned mean of each weight, and the standard deviation of those that are noisy."""

    mean: Params
    scale: Params
    """σ, a tree with the noisy layers of `mean` only."""


def noisy(agent: Agent, initial_scale: float = 0.5) -> Agent:
    """Adds exploration noise to the weights of `agent`: `θ = μ + σ ⊙ ε`.

    ε is sampled independently for each environment and step of a rollout, and for each of the three
    uses of the network in an update: the prediction, the selection of the next action (double
    Q-learning), and the target network. `q_values` uses the means. The noise is factorised (section
    3b): for a layer from p to q units, `ε_kernel = f(ε_p) f(ε_q)ᵀ` and `ε_bias = f(ε_q)` with
    `f(x) = sign(x) √|x|`; σ is initialised to `initial_scale / √p`, and μ by the network itself (in the
    paper uniform in `±1 / √p`).

    Noisy layers are those of Flax' form `{"kernel": [p, q], "bias": [q]}` outside a submodule named
    `torso`. The papers leave only convolutions without noise. Replaces ε-greedy exploration: set
    its ε to 0. Raises `ConfigError` if `initial_scale` is not positive, and `ValueError` (from `init`) if no
    layer is noisy.
    """
    require("initial_scale", initial_scale, lambda x: x > 0, "must be above 0.")

    def init(key: jax.Array, obs: jax.Array) -> NoisyParams:
        mean, scale = agent.init(key, obs), {}
        if not noisy_layers(mean):
            raise ValueError("noisy needs a dense layer outside the submodule `torso`.")
        for path, layer in noisy_layers(mean).items():
            value = initial_scale / math.sqrt(layer["kernel"].shape[0])
            scale[path] = {name: jnp.full_like(weight, value) for name, weight in layer.items()}
        return NoisyParams(mean, traverse_util.unflatten_dict(scale))

    def q_values(params: NoisyParams, obs: jax.Array) -> jax.Array:
        return agent.q_values(params.mean, obs)

    def target(
        key: jax.Array, params: NoisyParams, target_params: NoisyParams, batch: Transition
    ) -> tuple[Target, jax.Array]:
        key, noise_key = jax.random.split(key)
        # The noise of the prediction, which belongs to the loss, is sampled here: one call of the
        # generator takes as long as the forward pass of a small network on a CPU.
        for_selection, for_target, for_prediction = sample_noise(noise_key, params, 3)
        selection = perturb(params, for_selection)
        target = agent.target(key, selection, perturb(target_params, for_target), batch)
        return target, for_prediction

    def loss(
        key: jax.Array, params: NoisyParams, batch: Transition, target: tuple[Target, jax.Array]
    ) -> Losses:
        inner_target, noise = target
        return agent.loss(key, perturb(params, noise), batch, inner_target)

    def explore(key: jax.Array, params: NoisyParams, obs: jax.Array) -> jax.Array:
        def one_env(noise: jax.Array, obs: jax.Array) -> jax.Array:
            return agent.q_values(perturb(params, noise), obs)

        return jax.vmap(one_env)(sample_noise(key, params, obs.shape[0]), obs)

    return Agent(init, q_values, target, loss, explore)


def sample_noise(key: jax.Array, params: NoisyParams, num: int) -> jax.Array:
    """`num` independent samples `[num, M]` of `f(x)`, M the sum of inputs and outputs of all noisy layers."""
    sizes = [sum(layer["kernel"].shape) for layer in noisy_layers(params.mean).values()]
    normal = jax.random.normal(key, (num, sum(sizes)))
    # By a loop, since XLA stores what a loop returns; otherwise it computes the noise anew for each weight.
    return jax.lax.map(
        lambda x: jnp.sign(x) * jnp.sqrt(jnp.abs(x)), normal, batch_size=max(num // 2, 1)
    )


def perturb(params: NoisyParams, noise: jax.Array) -> Params:
    """`μ + σ ⊙ ε`, parameters of the underlying agent, with one sample of `sample_noise`."""
    means, scales = noisy_layers(params.mean), noisy_layers(params.scale)
    sizes = [size for layer in means.values() for size in layer["kernel"].shape]
    parts = iter(jnp.split(noise, list(itertools.accumulate(sizes))[:-1]))
    perturbed: dict[Path, Any] = {}
    for path, mean in means.items():
        inputs, outputs = next(parts), next(parts)
        ε = {"kernel": inputs[:, None] * outputs[None], "bias": outputs}
        perturbed[path] = {name: μ + scales[path][name] * ε[name] for name, μ in mean.items()}
    return traverse_util.unflatten_dict(_flatten(params.mean) | perturbed)


def noisy_layers(params: Params) -> dict[Path, dict[str, jax.Array]]:
    """The dense layers outside a submodule named `torso`, by their paths in a tree of Flax parameters."""
    return {
        path: layer
        for path, layer in _flatten(params).items()
        if isinstance(layer, dict) and layer["kernel"].ndim == 2 and "torso" not in path
    }


def _flatten(params: Params) -> dict[Path, Any]:
    return traverse_util.flatten_dict(params, is_leaf=lambda path, branch: "kernel" in branch)
