"""Populations: each member equals a run alone, on any devices and beside any others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import chain_trainer, equal

from jaxdqn import replay, training
from jaxdqn.config import ConfigError
from jaxdqn.training import population
from jaxdqn.training.population import Population

pytestmark = pytest.mark.usefixtures("allow_key_reuse")

SEEDS = [7, 8, 9, 10]
GAMMAS = [0.5, 0.6, 0.7, 0.8]


def train(key, hyperparameters):
    """Thirty iterations of one member."""
    trainer = chain_trainer(gamma=hyperparameters["gamma"])
    return training.run(trainer, trainer.init(key), 30)


def run(members, num_devices=1, vmap_size=1):
    layout = population.layout(len(members), jax.devices()[:num_devices], vmap_size=vmap_size)
    return jax.jit(population.each(train, layout))(members.keys(), members.values())


def member(k, tree):
    return jax.tree.map(lambda x: x[k : k + 1], tree)


@pytest.fixture(scope="module")
def alone():
    """Each member in a population of its own."""
    return [
        run(Population([seed], {"gamma": [gamma]}))
        for seed, gamma in zip(SEEDS, GAMMAS, strict=True)
    ]


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_a_mapped_member_is_bit_identical_to_a_run_alone(alone, num_devices):
    result = run(Population(SEEDS, {"gamma": GAMMAS}), num_devices)
    for k in range(4):
        assert equal(member(k, result), alone[k])


@pytest.mark.parametrize(("num_devices", "vmap_size"), [(1, None), (1, 3), (2, 2)])
def test_a_member_under_vmap_differs_by_rounding_only(alone, num_devices, vmap_size):
    state, metrics = run(Population(SEEDS, {"gamma": GAMMAS}), num_devices, vmap_size)
    for k in range(4):
        np.testing.assert_allclose(metrics.loss[k], alone[k][1].loss[0], rtol=1e-4, atol=1e-6)
        pairs = zip(
            jax.tree.leaves(state.learner.params),
            jax.tree.leaves(alone[k][0].learner.params),
            strict=True,
        )
        for members, one in pairs:
            np.testing.assert_allclose(members[k], one[0], atol=1e-5)


def test_each_member_has_its_own_hyperparameters(alone):
    """Non-terminal transitions are discounted by the γ of the member."""
    for (state, _), gamma in zip(alone, GAMMAS, strict=True):
        buffer = jax.tree.map(lambda x: x[0], state.buffer)
        discount = np.asarray(replay.contents(buffer).discount)
        assert set(np.unique(discount)) == {np.float32(0), np.float32(gamma)}


def test_other_hyperparameters_need_no_compilation():
    layout = population.layout(2, jax.devices()[:1])
    program = jax.jit(population.each(train, layout))
    for gamma in (0.5, 0.9):
        members = Population([1, 2], {"gamma": [gamma, gamma]})
        program(members.keys(), members.values())
    assert program._cache_size() == 1


def test_a_diverged_member_does_not_affect_the_others(alone):
    gammas = [GAMMAS[0], float("nan"), *GAMMAS[2:]]
    result = run(Population(SEEDS, {"gamma": gammas}), 2)
    assert np.all(np.isnan(result[1].loss[1, -1]))
    for k in (0, 2, 3):
        assert equal(member(k, result), alone[k])


def test_members_have_distinct_keys():
    words = np.asarray(jax.random.key_data(Population(range(1000)).keys()))
    assert len(np.unique(words, axis=0)) == 1000
    np.testing.assert_array_equal(words[7], jax.random.key_data(jax.random.key(7)))


def test_members_are_mapped_on_a_cpu_by_default():
    assert population.layout(4, jax.devices()[:2]).vmap_size == 1


@pytest.mark.parametrize(("vmap_size", "length"), [(1, 6), (3, 2), (2, 3)])
def test_vmap_size_is_the_number_of_members_in_one_vmap(vmap_size, length):
    layout = population.layout(6, jax.devices()[:1], vmap_size=vmap_size)
    program = jax.make_jaxpr(population.each(jnp.sin, layout))(jnp.arange(6.0))
    assert f"length={length} " in str(program) or f"length={length}\n" in str(program)


@pytest.mark.parametrize(
    ("num_members", "num_devices", "options", "message"),
    [
        (6, 4, {}, r"devices \(4\) must be a divisor of the number of agents \(6\)\."),
        (4, 4, {"vmap_size": 0}, r"vmap_size \(0\) must be at least 1\."),
    ],
)
def test_invalid_layouts_raise_config_errors(num_members, num_devices, options, message):
    with pytest.raises(ConfigError, match=message):
        population.layout(num_members, jax.devices()[:num_devices], **options)


@pytest.mark.parametrize(
    ("num_members", "available", "num_processes", "expected"),
    [(1, 4, 1, 1), (7, 4, 1, 1), (30, 4, 1, 3), (32, 4, 1, 4), (12, 4, 2, 3), (6, 8, 4, 1)],
)
def test_num_devices_divides_the_members_evenly(num_members, available, num_processes, expected):
    assert population.num_devices(num_members, available, num_processes) == expected
