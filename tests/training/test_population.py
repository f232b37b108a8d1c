"""A member equals the run alone, wherever it is trained and whoever is beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import chain_trainer, equal

from jaxdqn import training
from jaxdqn.config import ConfigError
from jaxdqn.training import population
from jaxdqn.training.population import Population

SEEDS = [7, 8, 9, 10]
GAMMAS = [0.5, 0.6, 0.7, 0.8]


@pytest.fixture(autouse=True)
def _no_false_alarm():
    with jax.debug_key_reuse(False):
        yield


def whole(key, settings):
    """Thirty iterations of one member."""
    trainer = chain_trainer(gamma=settings["gamma"])
    return training.run(trainer, trainer.init(key), 30)


def run(members, num_devices=1, vmap_size=1):
    layout = population.layout(len(members), jax.devices()[:num_devices], vmap_size=vmap_size)
    return jax.jit(population.each(whole, layout))(members.keys(), members.values())


def member(k, tree):
    return jax.tree.map(lambda x: x[k : k + 1], tree)


@pytest.fixture(scope="module")
def alone():
    """Each member by itself."""
    with jax.debug_key_reuse(False):
        return [
            run(Population([seed], {"gamma": [gamma]}))
            for seed, gamma in zip(SEEDS, GAMMAS, strict=True)
        ]


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_a_mapped_member_equals_the_run_alone_to_the_bit_on_any_devices(alone, num_devices):
    vmap_size = run(Population(SEEDS, {"gamma": GAMMAS}), num_devices)
    for k in range(4):
        assert equal(member(k, vmap_size), alone[k])


@pytest.mark.parametrize(("num_devices", "vmap_size"), [(1, None), (1, 3), (2, 2)])
def test_computed_at_once_a_member_differs_by_rounding_only(alone, num_devices, vmap_size):
    (state, metrics) = run(Population(SEEDS, {"gamma": GAMMAS}), num_devices, vmap_size)
    for k in range(4):
        np.testing.assert_allclose(metrics.loss[k], alone[k][1].loss[0], rtol=1e-4, atol=1e-6)
        pairs = zip(
            jax.tree.leaves(state.learner.params),
            jax.tree.leaves(alone[k][0].learner.params),
            strict=True,
        )
        for all_members, one in pairs:
            np.testing.assert_allclose(all_members[k], one[0], atol=1e-5)


def test_settings_reach_their_member(alone):
    """Non-terminal transitions are discounted by the member's own γ."""
    from jaxdqn import replay

    for (state, _), gamma in zip(alone, GAMMAS, strict=True):
        buffer = jax.tree.map(lambda x: x[0], state.buffer)
        discount = np.asarray(replay.contents(buffer).discount)
        assert set(np.unique(discount)) == {np.float32(0), np.float32(gamma)}


def test_settings_are_data_and_other_values_the_same_program():
    layout = population.layout(2, jax.devices()[:1])
    program = jax.jit(population.each(whole, layout))
    for gamma in (0.5, 0.9):
        members = Population([1, 2], {"gamma": [gamma, gamma]})
        program(members.keys(), members.values())
    assert program._cache_size() == 1


def test_a_member_that_is_lost_does_not_disturb_the_others(alone):
    gammas = [GAMMAS[0], float("nan"), *GAMMAS[2:]]
    vmap_size = run(Population(SEEDS, {"gamma": gammas}), 2)
    assert np.all(np.isnan(vmap_size[1].loss[1, -1]))
    for k in (0, 2, 3):
        assert equal(member(k, vmap_size), alone[k])


def test_no_two_members_share_a_key():
    words = np.asarray(jax.random.key_data(Population(range(1000)).keys()))
    assert len(np.unique(words, axis=0)) == 1000
    np.testing.assert_array_equal(words[7], jax.random.key_data(jax.random.key(7)))


def test_on_a_cpu_members_are_mapped_unless_one_asks_otherwise():
    assert population.layout(4, jax.devices()[:2]).vmap_size == 1


@pytest.mark.parametrize(("vmap_size", "turns"), [(1, 6), (3, 2), (2, 3)])
def test_together_is_how_many_go_through_the_program_at_once(vmap_size, turns):
    layout = population.layout(6, jax.devices()[:1], vmap_size=vmap_size)
    program = jax.make_jaxpr(population.each(jnp.sin, layout))(jnp.arange(6.0))
    assert f"length={turns} " in str(program) or f"length={turns}\n" in str(program)


@pytest.mark.parametrize(
    ("num_members", "num_devices", "options", "line"),
    [
        (6, 4, {}, r"devices \(4\) must be a divisor of the number of members \(6\)\."),
        (
            6,
            8,
            {"data_shards": 2},
            r"devices \(8\) must be data_shards \(2\) times a divisor of the number of members \(6\)",
        ),
        (4, 4, {"data_shards": 3}, r"data_shards \(3\) must divide the number of devices \(4\)\."),
        (4, 4, {"vmap_size": 0}, r"together \(0\) must be at least 1\."),
    ],
)
def test_what_does_not_divide_is_refused(num_members, num_devices, options, line):
    with pytest.raises(ConfigError, match=line):
        population.layout(num_members, jax.devices()[:num_devices], **options)


@pytest.mark.parametrize(
    ("num_members", "available", "data_shards", "expected"),
    [(1, 4, 1, 1), (7, 4, 1, 1), (30, 4, 1, 3), (32, 4, 1, 4), (6, 8, 2, 6), (1, 8, 4, 4)],
)
def test_as_many_devices_are_used_as_share_the_members_evenly(
    num_members, available, data_shards, expected
):
    assert population.num_devices(num_members, available, data_shards) == expected


def test_a_row_is_where_the_first_part_of_a_member_stands():
    """Each part writes the member's number and its own; rows find part 0."""
    layout = population.layout(6, jax.devices()[:4], data_shards=2)

    def parts(k):
        return 10 * k + jax.lax.axis_index(population.DATA)

    found = jax.jit(population.each(parts, layout, out_specs=population.PER_SHARD))(jnp.arange(6))
    assert found.shape == (12,)
    assert [int(found[layout.row(k, 6)]) for k in range(6)] == [0, 10, 20, 30, 40, 50]
