"""Networks: shapes, input scaling and properties of the heads."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdqn import networks
from jaxdqn.networks import convolution

KEYS = jax.random.split(jax.random.key(0), 2)
OBS = jax.random.normal(KEYS[0], (2, 5, 4))


def build(head=networks.heads.linear, **options):
    network = networks.QNetwork(networks.mlp((8,), **options), 3, head)
    return network, network.init(jax.random.key(1), OBS)


@pytest.mark.parametrize("head", [networks.heads.linear, networks.heads.dueling])
def test_networks_accept_any_leading_axes(head):
    network, params = build(head)
    q = network.apply(params, OBS)
    chex.assert_shape(q, (2, 5, 3))
    np.testing.assert_allclose(network.apply(params, OBS[1, 2]), q[1, 2], rtol=1e-5)


def test_observations_are_multiplied_by_the_scale():
    plain, params = build()
    scaled, _ = build(obs_scale=(2.0, 0.5, 1.0, 4.0))
    by_hand = OBS * jnp.array([[[2.0, 0.5, 1.0, 4.0]]])
    np.testing.assert_allclose(scaled.apply(params, OBS), plain.apply(params, by_hand), rtol=1e-6)


def test_integer_observations_are_converted():
    network, params = build()
    obs = jnp.arange(4)
    np.testing.assert_array_equal(
        network.apply(params, obs), network.apply(params, obs.astype(jnp.float32))
    )


def test_dueling_advantages_are_centred():
    network, params = build(networks.heads.dueling)
    # With a value stream that is constant, the mean over the actions is that constant.
    layers = params["params"] | {"Dense_0": {"kernel": jnp.zeros((8, 1)), "bias": jnp.array([7.0])}}
    q = network.apply({"params": layers}, OBS)
    np.testing.assert_allclose(jnp.mean(q, axis=-1), np.full((2, 5), 7.0), rtol=1e-5)


def test_norm_relu_is_layer_norm_then_relu():
    network, params = build(activation=networks.norm_relu)
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


IMAGE = jax.random.bernoulli(jax.random.key(3), 0.3, (6, 10, 9, 4))


def test_the_product_equals_the_convolution_of_xla():
    kernel = jax.random.normal(jax.random.key(4), (3, 3, 4, 16))
    image = IMAGE.astype(jnp.float32)
    expected = jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    assert expected.shape == (6, 8, 7, 16)
    np.testing.assert_allclose(convolution.product(image, kernel), expected, rtol=1e-4, atol=1e-4)


def test_the_gradients_of_the_product_equal_those_of_the_convolution(monkeypatch):
    """The same parameters, names included, for both."""
    network = networks.QNetwork(networks.conv(activation=networks.norm_relu), 3)
    params = network.init(jax.random.key(0), IMAGE)

    def loss(params):
        return jnp.sum(network.apply(params, IMAGE) ** 2)

    fast = jax.grad(loss)(params)
    monkeypatch.setattr(convolution, "general", lambda: jax.lax.conv_general_dilated)
    slow = jax.grad(loss)(params)
    assert jax.tree.structure(fast) == jax.tree.structure(slow)
    for x, y in zip(jax.tree.leaves(fast), jax.tree.leaves(slow), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("make", [networks.QNetwork, networks.ImplicitQuantile])
def test_images_may_have_any_leading_axes_and_dtype(make):
    network, levels = make(networks.conv((4,), (8,)), 3), jnp.full((6, 5), 0.5)
    levels = () if make is networks.QNetwork else (levels,)
    params = network.init(jax.random.key(0), IMAGE, *levels)
    q = network.apply(params, IMAGE, *levels)
    one = network.apply(params, IMAGE[2], *(x[2] for x in levels))
    np.testing.assert_allclose(one, q[2], rtol=1e-4, atol=1e-5)
    as_bytes = network.apply(params, IMAGE.astype(jnp.uint8), *levels)
    np.testing.assert_array_equal(as_bytes, q)


@pytest.mark.parametrize("shape", [(), (3, 4), (2, 3, 2)])
def test_observations_of_any_rank_are_flattened(shape):
    network = networks.QNetwork(networks.mlp((8,), obs_ndim=len(shape)), 3)
    flat = networks.QNetwork(networks.mlp((8,)), 3)
    obs = jax.random.normal(jax.random.key(5), (7, *shape))
    params = network.init(jax.random.key(0), obs)
    expected = flat.apply(params, obs.reshape(7, -1))
    np.testing.assert_array_equal(network.apply(params, obs), expected)
