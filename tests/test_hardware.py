"""The plan counts every byte, and says what would fit."""

from functools import partial

import jax
import pytest
from test_training import TRAINER

from jaxdqn import population, session, training
from jaxdqn.config import ConfigError
from jaxdqn.population import Members
from jaxdqn.runs import hardware
from jaxdqn.runs.hardware import Hardware


def init(key, settings):
    return session.init(key, TRAINER)


def plan(count, num_devices=1, together=1, **options):
    layout = population.layout(count, jax.devices()[:num_devices], together=together)
    return hardware.plan(Members(range(count)), layout, init, **options)


@pytest.fixture(scope="module")
def member_bytes():
    """Of one member's session, and of its ring, as they lie in memory."""
    state = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    keys = [
        leaf
        for leaf in jax.tree.leaves(state)
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
    rest = [leaf for leaf in jax.tree.leaves(state) if not any(leaf is key for key in keys)]
    # A threefry key is two words of four bytes.
    return sum(leaf.nbytes for leaf in rest) + 8 * len(keys), state.state.buffer.words.nbytes


def test_the_plan_says_who_is_trained_where_and_what_it_takes(member_bytes, monkeypatch):
    monkeypatch.setattr(hardware, "_free_bytes", lambda device: 5e9)
    first, second = plan(6, num_devices=2)
    assert first == "Plan: 6 members on 2 CPU cores; 3 on each, one after another."
    whole, ring = member_bytes
    # The ring holds 2,000 transitions of 14 words: two observations of 5 floats, and 4 fields.
    assert ring == 2_000 * 14 * 4 < whole < ring + 2_000
    # Three there before and after, one on its way through the program, and two copies of three on
    # their way to disk; each device has half of the memory.
    each, in_all, at_work = (
        f"{whole / 1e3:.0f} kB",
        f"{6 * whole / 1e3:.0f} kB",
        f"{13 * whole / 1e6:.1f} MB",
    )
    assert second == (
        f"Memory: {each} a member, of it 112 kB replay; {in_all} in all; "
        f"at work {at_work} of 2.5 GB free on each."
    )


@pytest.mark.parametrize(("num_devices", "together"), [(1, 1), (2, 1), (4, 3), (2, None)])
def test_what_does_not_fit_is_refused_with_a_number_that_fits(
    member_bytes, monkeypatch, num_devices, together
):
    monkeypatch.setattr(hardware, "_free_bytes", lambda device: 50.5 * member_bytes[0])
    rule = r"at_once \(600\) must be at most (\d+), what fits into .* a device at \d+ kB each\."
    with pytest.raises(ConfigError, match=rule) as error:
        plan(600, num_devices, together, option="at_once")
    fits = int(error.value.rule.removeprefix("must be at most ").split(",")[0])
    assert fits > 0 and fits % num_devices == 0
    plan(fits, num_devices, together)
    with pytest.raises(ConfigError):
        plan(fits + num_devices, num_devices, together)


@pytest.mark.parametrize("together", [1, 3, None])
def test_the_plan_holds_what_the_program_takes(together, monkeypatch):
    """As XLA counts: what goes in, and what is beside it until it comes out."""
    layout = population.layout(6, jax.devices()[:1], together=together)
    layout = layout._replace(together=together)  # On a CPU None would mean 1.
    members = Members(range(6))

    def advance(one):
        return training.run(TRAINER, one.state, 5)[0]

    with jax.debug_key_reuse(
        False
    ):  # jax 0.10 takes keys that a mapped scan consumes for used twice.
        begin = jax.jit(population.each(lambda key: init(key, {}), layout))
        program = jax.jit(population.each(advance, layout))
        sizes = program.lower(begin(members.keys())).compile().memory_analysis()
        taken = sizes.argument_size_in_bytes + sizes.temp_size_in_bytes
        # The least memory that it is said to fit into; two copies more are for a save.
        whole = sum(leaf.nbytes for leaf in jax.tree.leaves(begin(members.keys()).state.buffer))
        monkeypatch.setattr(hardware, "_free_bytes", lambda device: 0.95 * taken + 2 * whole)
        with pytest.raises(ConfigError, match="must be at most"):
            hardware.plan(members, layout, init)


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(
        ConfigError, match=r"data_shards \(9\) must be at most the number of devices \(8\)"
    ):
        hardware.start(Hardware(data_shards=9), 9)
    with pytest.raises(ConfigError, match=r"devices \(9\) must be at most 8, all there are\."):
        hardware.start(Hardware(devices=9), 9)


def test_members_are_laid_on_the_devices_that_were_asked_for():
    layout = hardware.layout(Hardware(devices=2, data_shards=2, together=3), 5)
    assert layout.mesh.shape == {"member": 1, "data": 2} and layout.together == 3
