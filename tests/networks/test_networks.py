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


HEADS = [networks.heads.linear, networks.heads.hidden(6), networks.heads.dueling(6)]


@pytest.mark.parametrize("head", HEADS)
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


FEW = OBS[:, 0]


def dense(layer, x):
    return x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


@pytest.mark.parametrize("num_atoms", [None, 3])
def test_dueling_is_its_equation_with_a_hidden_layer_in_each_stream(num_atoms):
    """Wang et al. (2016), eq. 9; for atoms, of each atom separately."""
    network = networks.QNetwork(
        networks.mlp(()), 5, networks.heads.dueling(7, jnp.tanh), num_atoms=num_atoms
    )
    params = network.init(jax.random.key(0), FEW)
    value_hidden, value, advantage_hidden, advantage = (
        params["params"][f"Dense_{i}"] for i in range(4)
    )
    x = np.asarray(FEW, np.float64)
    v = dense(value, np.tanh(dense(value_hidden, x))).reshape(2, 1, -1)
    a = dense(advantage, np.tanh(dense(advantage_hidden, x))).reshape(2, 5, -1)
    expected = v + a - a.mean(1, keepdims=True)
    q = network.apply(params, FEW)
    np.testing.assert_allclose(np.asarray(q).reshape(2, 5, -1), expected, rtol=1e-4, atol=1e-6)
    assert value_hidden["kernel"].shape == advantage_hidden["kernel"].shape == (4, 7)


def test_implicit_quantiles_are_their_equation_with_a_hidden_layer_after_the_product():
    """Dabney et al. (2018), eq. 4: `f(ψ(x) ⊙ φ(τ))` with `φ_j(τ) = ReLU(Σ_i cos(π i τ) w_ij + b_j)`."""
    network = networks.ImplicitQuantile(
        networks.mlp((6,), activation=jnp.tanh), 3, networks.heads.hidden(5, jnp.tanh), 4
    )
    levels = jnp.array([[0.1, 0.7], [0.25, 0.9]])
    params = network.init(jax.random.key(0), FEW, levels)
    layers = params["params"]
    found = np.asarray(network.apply(params, FEW, levels))
    for b in range(2):
        ψ = np.tanh(dense(layers["torso"]["Dense_0"], np.asarray(FEW[b], np.float64)))
        for k in range(2):
            cosines = np.array([np.cos(np.pi * i * float(levels[b, k])) for i in range(4)])
            φ = np.maximum(dense(layers["Dense_0"], cosines), 0)
            q = dense(layers["Dense_2"], np.tanh(dense(layers["Dense_1"], ψ * φ)))
            np.testing.assert_allclose(found[b, :, k], q, rtol=1e-4, atol=1e-6)


def test_levels_that_all_observations_share_give_the_same_quantiles():
    network = networks.ImplicitQuantile(networks.mlp((6,)), 3, networks.heads.hidden(5))
    levels = jnp.array([0.2, 0.6])
    params = network.init(jax.random.key(0), FEW, levels)
    shared, own = (network.apply(params, FEW, x) for x in (levels, jnp.tile(levels, (2, 1))))
    np.testing.assert_allclose(shared, own, rtol=1e-5, atol=1e-6)


def test_norm_relu_is_layer_norm_then_relu():
    network, params = build(activation=networks.norm_relu)
    keys = jax.random.split(jax.random.key(2), 2)
    torso = params["params"]["torso"]
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
