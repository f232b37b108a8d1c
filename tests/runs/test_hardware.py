"""The memory plan of a population, and the layout that was asked for."""

import re
from functools import partial

import jax
import pytest
from helpers.training import TRAINER

from jaxdqn import training
from jaxdqn.config import ConfigError
from jaxdqn.runs import hardware
from jaxdqn.runs.hardware import Hardware
from jaxdqn.training import population, session
from jaxdqn.training.population import Population


def init(key, hyperparameters):
    return session.init(key, TRAINER)


def plan(count, num_devices=1, vmap_size=1, **options):
    layout = population.layout(count, jax.devices()[:num_devices], vmap_size=vmap_size)
    return hardware.plan(Population(range(count)), layout, init, **options)


@pytest.fixture(scope="module")
def agent_bytes():
    """Size in memory of the session of one agent, and of its replay."""
    state = jax.jit(partial(session.init, trainer=TRAINER))(jax.random.key(0))
    keys = [
        leaf
        for leaf in jax.tree.leaves(state)
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
    rest = [leaf for leaf in jax.tree.leaves(state) if not any(leaf is key for key in keys)]
    # The data of a threefry key are two uint32.
    return sum(leaf.nbytes for leaf in rest) + 8 * len(keys), state.state.buffer.words.nbytes


def test_the_plan_reports_devices_and_memory(agent_bytes, monkeypatch):
    monkeypatch.setattr(hardware, "_free_bytes", lambda device: 5e9)
    first, second = plan(6, num_devices=2)
    assert first == "Plan: 6 agents on 2 CPU cores; 3 per device, one after another."
    session_bytes, replay_bytes = agent_bytes
    # 2,000 transitions of 14 words: two observations of 5 floats, and 4 other fields.
    assert replay_bytes == 2_000 * 14 * 4 < session_bytes < replay_bytes + 2_000
    # Per device 3 agents before and after a call, 1 in transit, and 2 copies of 3 for a
    # checkpoint; half of the free memory.
    assert second == (
        f"Memory: {session_bytes / 1e3:.0f} kB per agent, of which replay 112 kB; "
        f"{6 * session_bytes / 1e3:.0f} kB in total; "
        f"{13 * session_bytes / 1e6:.1f} MB of 2.5 GB free per device."
    )


@pytest.mark.parametrize(("num_devices", "vmap_size"), [(1, 1), (2, 1), (4, 3), (2, None)])
def test_a_population_that_does_not_fit_is_rejected_with_the_number_that_fits(
    agent_bytes, monkeypatch, num_devices, vmap_size
):
    monkeypatch.setattr(hardware, "_free_bytes", lambda device: 50.5 * agent_bytes[0])
    rule = r"max_parallel \(600\) must be at most (\d+) to fit into .* per device, at \d+ kB each\."
    with pytest.raises(ConfigError, match=rule) as error:
        plan(600, num_devices, vmap_size, option="max_parallel")
    fits = int(re.findall(r"\d+", error.value.rule)[0])
    assert fits > 0 and fits % num_devices == 0
    plan(fits, num_devices, vmap_size)
    with pytest.raises(ConfigError, match="must be at most"):
        plan(fits + num_devices, num_devices, vmap_size)


@pytest.mark.parametrize("vmap_size", [1, 3, None])
def test_the_plan_covers_the_memory_of_the_compiled_program(vmap_size, monkeypatch):
    """Arguments and temporaries, as reported by XLA."""
    layout = population.layout(6, jax.devices()[:1], vmap_size=vmap_size)
    layout = layout._replace(vmap_size=vmap_size)  # On a CPU None becomes 1.
    agents = Population(range(6))

    def advance(one):
        return training.run(TRAINER, one.state, 5)[0]

    # jax 0.10 reports keys that a mapped scan consumes as reused.
    with jax.debug_key_reuse(False):
        begin = jax.jit(population.each(lambda key: init(key, {}), layout))
        program = jax.jit(population.each(advance, layout))
        sizes = program.lower(begin(agents.keys())).compile().memory_analysis()
        taken = sizes.argument_size_in_bytes + sizes.temp_size_in_bytes
        # Less than the program takes; two more copies are for a checkpoint.
        buffer_bytes = sum(
            leaf.nbytes for leaf in jax.tree.leaves(begin(agents.keys()).state.buffer)
        )
        monkeypatch.setattr(hardware, "_free_bytes", lambda device: 0.95 * taken + 2 * buffer_bytes)
        with pytest.raises(ConfigError, match="must be at most"):
            hardware.plan(agents, layout, init)


def test_the_replay_is_found_inside_the_state_of_a_transform():
    def line(trainer):
        plain = population.layout(1, jax.devices()[:1])

        def begin(key, own):
            return session.init(key, trainer)

        return hardware.plan(Population([0]), plain, begin)[1].split(";")[0].split("replay")[1]

    assert line(TRAINER) == line(training.average(TRAINER)) == " 112 kB"


def test_more_devices_than_available_are_rejected():
    with pytest.raises(
        ConfigError, match=r"devices \(9\) must be at most the number of devices \(8\)"
    ):
        hardware.start(Hardware(devices=9), 9)


def test_the_layout_has_the_devices_that_were_asked_for():
    layout = hardware.layout(Hardware(devices=2, vmap_size=3), 6)
    assert layout.mesh.shape == {"member": 2} and layout.vmap_size == 3
