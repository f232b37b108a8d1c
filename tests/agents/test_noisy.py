"""Noisy networks: the distribution, the independence and the place of the noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import STEP, table_agent
from helpers.training import losses

from jaxdqn import agents, networks
from jaxdqn.agents.noisy import NoisyParams, perturb, sample_noise

HEAD = networks.heads.hidden(16)
NOISY = agents.noisy(agents.dqn(networks.QNetwork(networks.mlp((8,)), 2, HEAD)))
OBS = jnp.ones((20_000, 3))


def test_noise_differs_between_environments_and_greedy_values_have_none():
    params = NOISY.init(jax.random.key(0), OBS[:2])
    q = NOISY.explore(jax.random.key(1), params, OBS[:64])
    assert len(np.unique(np.asarray(q)[:, 0])) == 64
    greedy = NOISY.q_values(params, OBS[:64])
    assert len(np.unique(np.asarray(greedy), axis=0)) == 1
    network = networks.QNetwork(networks.mlp((8,)), 2, HEAD)
    np.testing.assert_allclose(greedy, network.apply(params.mean, OBS[:64]))


def test_noise_has_mean_zero_and_the_variance_of_its_scale():
    layer = {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}
    params = NoisyParams({"Dense_0": layer}, {"Dense_0": jax.tree.map(lambda x: x + 0.5, layer)})
    noise = sample_noise(jax.random.key(4), params, 20_000)
    sampled = jax.vmap(lambda noise: perturb(params, noise)["Dense_0"])(noise)
    kernel, bias = np.asarray(sampled["kernel"]), np.asarray(sampled["bias"])
    # f(x)² = |x| has mean m = √(2/π): the bias has variance 0.25 m, the kernel 0.25 m².
    half_normal = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(kernel.mean(0), 0, atol=5 * 0.5 / np.sqrt(20_000))
    np.testing.assert_allclose(bias.var(0), 0.25 * half_normal, rtol=0.05)
    np.testing.assert_allclose(kernel.var(0), 0.25 * half_normal**2, rtol=0.07)
    # Factorised: one random number per input and output, so kernel rows are multiples of the bias.
    np.testing.assert_allclose(
        kernel[:, 0] * bias[:, [1, 2, 0]], kernel[:, 0][:, [1, 2, 0]] * bias, atol=1e-5
    )


def test_only_dense_layers_after_the_torso_have_noise():
    head = networks.heads.hidden(8, networks.norm_relu)
    network = networks.QNetwork(networks.conv((2,), (8,), networks.norm_relu), 2, head)
    params = agents.noisy(agents.dqn(network)).init(jax.random.key(0), jnp.ones((1, 5, 5, 1)))
    sampled = perturb(params, sample_noise(jax.random.key(1), params, 1)[0])
    moved = jax.tree.map(lambda x, y: bool(np.all(x != y)), sampled, params.mean)["params"]
    assert moved == {
        "torso": jax.tree.map(lambda x: False, moved["torso"]),
        "Dense_0": {"kernel": True, "bias": True},
        "LayerNorm_0": {"scale": False, "bias": False},
        "Dense_1": {"kernel": True, "bias": True},
    }
    # σ is 0.5 / √inputs, and only these layers have one: 8 features, 8 hidden units.
    scales = jax.tree.map(lambda x: np.unique(x).tolist(), params.scale)["params"]
    expected = {"kernel": [np.float32(0.5 / np.sqrt(8))], "bias": [np.float32(0.5 / np.sqrt(8))]}
    assert scales == {"Dense_0": expected, "Dense_1": expected}


def test_a_network_without_noisy_layers_is_refused():
    params = {"torso": {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}}
    agent = agents.noisy(table_agent()._replace(init=lambda key, obs: params))
    with pytest.raises(ValueError, match="needs a dense layer outside the submodule `torso`"):
        agent.init(jax.random.key(0), OBS[:2])


def test_an_update_uses_three_independent_samples_of_the_noise():
    """For the selection of the next action, the target network and the prediction."""
    layer = {"Dense_0": {"kernel": jnp.zeros((1, 1)), "bias": jnp.zeros(1)}}
    seen = agents.Agent(
        init=lambda key, obs: layer,
        q_values=lambda params, obs: obs,
        target=lambda key, params, target_params, batch: (params, target_params),
        loss=lambda key, params, batch, target: agents.Losses(params, *target),
        explore=lambda key, params, obs: obs,
    )
    agent = agents.noisy(seen, initial_scale=1.0)
    params = agent.init(jax.random.key(0), jnp.ones((1, 1)))
    keys = jax.random.split(jax.random.key(1), 4_000)
    samples = jax.vmap(lambda key: losses(agent, params, params, STEP, key))(keys)
    noise = [np.asarray(sample["Dense_0"]["bias"])[:, 0] for sample in samples]
    # 4 standard errors of a correlation of 4,000 pairs.
    np.testing.assert_allclose(np.corrcoef(noise), np.eye(3), atol=4 / np.sqrt(4_000))
