"""Networks: shapes, input scaling and properties of the heads."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import networks

KEYS = jax.random.split(jax.random.key(0), 2)
OBS = jax.random.normal(KEYS[0], (2, 5, 4))


def build(network_type, **options):
    network = network_type(num_actions=3, features=(8,), **options)
    return network, network.init(jax.random.key(1), OBS)


@pytest.mark.parametrize("network_type", [networks.MLP, networks.Dueling])
def test_networks_accept_any_leading_axes(network_type):
    network, params = build(network_type)
    q = network.apply(params, OBS)
    chex.assert_shape(q, (2, 5, 3))
    np.testing.assert_allclose(network.apply(params, OBS[1, 2]), q[1, 2], rtol=1e-5)


def test_observations_are_multiplied_by_the_scale():
    plain, params = build(networks.MLP)
    scaled, _ = build(networks.MLP, obs_scale=(2.0, 0.5, 1.0, 4.0))
    by_hand = OBS * jnp.array([[[2.0, 0.5, 1.0, 4.0]]])
    np.testing.assert_allclose(scaled.apply(params, OBS), plain.apply(params, by_hand), rtol=1e-6)


def test_integer_observations_are_converted():
    network, params = build(networks.MLP)
    obs = jnp.arange(4)
    np.testing.assert_array_equal(
        network.apply(params, obs), network.apply(params, obs.astype(jnp.float32))
    )


def test_dueling_advantages_are_centred():
    network, params = build(networks.Dueling)
    # With a value stream that is constant, the mean over the actions is that constant.
    layers = params["params"] | {"Dense_0": {"kernel": jnp.zeros((8, 1)), "bias": jnp.array([7.0])}}
    q = network.apply({"params": layers}, OBS)
    np.testing.assert_allclose(jnp.mean(q, axis=-1), np.full((2, 5), 7.0), rtol=1e-5)


def test_norm_relu_is_layer_norm_then_relu():
    network, params = build(networks.MLP, activation=networks.norm_relu)
    keys = jax.random.split(jax.random.key(2), 2)
    torso = params["params"]["Torso_0"]
    torso["LayerNorm_0"] = {
        "scale": jax.random.normal(keys[0], (8,)),
        "bias": jax.random.normal(keys[1], (8,)),
    }
    dense, norm, head = torso["Dense_0"], torso["LayerNorm_0"], params["params"]["Dense_0"]
    dense, norm, head = jax.tree.map(np.asarray, (dense, norm, head))
    x = np.asarray(OBS) @ dense["kernel"] + dense["bias"]
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * norm["scale"] + norm["bias"]
    by_hand = np.maximum(x, 0) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(network.apply(params, OBS), by_hand, rtol=1e-4, atol=1e-5)
