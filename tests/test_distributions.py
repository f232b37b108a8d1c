"""Histograms and quantiles: by hand, against reference implementations, and conserved quantities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import oracles
from hypothesis import given
from hypothesis import strategies as st

from jaxdqn import distributions
from jaxdqn.config import ConfigError

SUPPORT = distributions.support(-2.0, 2.0, 5)  # -2, -1, 0, 1, 2
project = jax.jit(distributions.project)
quantile_huber = jax.jit(distributions.quantile_huber)
gaussian_histogram = jax.jit(distributions.gaussian_histogram)


@pytest.mark.parametrize(
    ("atom", "masses"),
    [
        (1.0, [0, 0, 0, 1, 0]),
        (0.25, [0, 0, 0.75, 0.25, 0]),
        (-1.5, [0.5, 0.5, 0, 0, 0]),
        (7.0, [0, 0, 0, 0, 1]),
        (-7.0, [1, 0, 0, 0, 0]),
    ],
    ids=["on an atom", "between two", "halfway", "above", "below"],
)
def test_projection_splits_a_mass_between_its_neighbours(atom, masses):
    np.testing.assert_allclose(project(jnp.array([[atom]]), jnp.ones((1, 1)), SUPPORT), [masses])


def test_projection_of_a_single_point_at_termination():
    probabilities = jnp.array([[0.1, 0.2, 0.3, 0.3, 0.1]])
    atoms = 0.5 + 0.0 * SUPPORT[None]
    np.testing.assert_allclose(project(atoms, probabilities, SUPPORT), [[0, 0, 0.5, 0.5, 0]])


@given(seed=st.integers(0, 2**16), reward=st.floats(-5, 5), discount=st.floats(0, 1))
def test_projection_equals_the_algorithm_of_the_paper_and_preserves_the_mass(
    seed, reward, discount
):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(5)).astype(np.float32)
    atoms = np.float32(reward) + np.float32(discount) * np.asarray(SUPPORT)
    found = project(jnp.array(atoms[None]), jnp.array(probabilities[None]), SUPPORT)[0]
    np.testing.assert_allclose(found, oracles.project(atoms, probabilities, SUPPORT), atol=2e-6)
    np.testing.assert_allclose(np.sum(found), 1.0, rtol=1e-5)


def test_projection_preserves_the_mean_inside_the_support():
    atoms = jnp.array([[-1.9, -0.3, 0.2, 1.7, 0.9]])
    probabilities = jnp.array([[0.1, 0.2, 0.3, 0.3, 0.1]])
    mean = jnp.sum(atoms * probabilities)
    np.testing.assert_allclose(project(atoms, probabilities, SUPPORT)[0] @ SUPPORT, mean, rtol=1e-5)


@given(value=st.floats(-4, 4), sigma=st.floats(0.2, 3))
def test_histogram_equals_differences_of_the_normal_distribution(value, sigma):
    found = gaussian_histogram(jnp.array([value], jnp.float32), SUPPORT, sigma)[0]
    expected = oracles.gaussian_histogram(value, np.asarray(SUPPORT, np.float64), sigma)
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize(
    ("value", "masses"),
    [(1.2, [0, 0, 0, 1, 0]), (0.5, [0, 0, 0.5, 0.5, 0]), (9.0, [0, 0, 0, 0, 1])],
    ids=["one bin", "on an edge", "beyond the support"],
)
def test_histogram_with_small_sigma_is_one_bin_or_two(value, masses):
    found = gaussian_histogram(jnp.array([value]), SUPPORT, 1e-3)
    np.testing.assert_allclose(found, [masses], atol=1e-6)


def test_quantile_huber_by_hand():
    # Level 1/4, errors 0.5 (below κ = 1) and -3: (1/4 * 1/8 + 3/4 * 2.5) / 2.
    found = quantile_huber(jnp.array([[1.0]]), jnp.array([[0.25]]), jnp.array([[1.5, -2.0]]), 1.0)
    np.testing.assert_allclose(found, [(0.25 * 0.125 + 0.75 * 2.5) / 2])


@given(seed=st.integers(0, 2**16), kappa=st.floats(0.1, 3))
def test_quantile_huber_equals_the_double_sum(seed, kappa):
    rng = np.random.default_rng(seed)
    predicted, target = rng.normal(size=3), rng.normal(size=4)
    levels = rng.uniform(size=3)
    arrays = [jnp.array(x[None], jnp.float32) for x in (predicted, levels, target)]
    found = quantile_huber(*arrays, kappa)[0]
    expected = oracles.quantile_huber(predicted, levels, target, kappa)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_quantile_huber_recovers_the_quantiles_of_a_known_distribution():
    # Returns 0, 1, ..., 99 are equally likely: the quantile at level τ is 100 τ up to one step.
    levels = jnp.array([[0.05, 0.25, 0.5, 0.75, 0.95]])
    target = jnp.arange(100.0)[None]
    gradient = jax.jit(jax.grad(lambda x: quantile_huber(x, levels, target, 1.0)[0]))

    def descend(x, size):
        return x - size * gradient(x), None

    sizes = jnp.linspace(20.0, 0.1, 4_000)
    found, _ = jax.lax.scan(descend, jnp.full((1, 5), 50.0), sizes)
    np.testing.assert_allclose(found, 100 * levels - 0.5, atol=1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.0, 5), r"v_min \(0.0\) must be below v_max \(0.0\)"),
        ((0.0, 1.0, 1), r"num_atoms \(1\) must be at least 2"),
        ((float("nan"), 1.0, 5), r"v_min \(nan\) must be below"),
    ],
)
def test_invalid_supports_raise_config_errors(arguments, message):
    with pytest.raises(ConfigError, match=message):
        distributions.support(*arguments)
