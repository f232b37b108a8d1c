"""Timed workloads: trainings of two kinds, compiled for a number of agents."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import optax

from jaxdqn import agents, envs, networks, recipes, replay, training
from jaxdqn.config import Config
from jaxdqn.recipes import classic
from jaxdqn.runs.platform import compiler_options
from jaxdqn.training import population
from jaxdqn.training.trainer import Trainer

WorkName = Literal["default", "cleanrl"]
STEPS = 50_000
"""Environment steps of `cartpole.py`, and the transitions that its replay then holds."""
ITERATIONS = 500
"""Iterations of a timed call."""


class Work(NamedTuple):
    """A training whose floating-point operations can be counted."""

    config: Config
    features: Sequence[int]
    make_trainer: Callable[[Config], Trainer]

    @property
    def update_flops(self) -> int:
        """Operations in the matrix products of one update.

        A forward pass of each of the two networks, and a backward pass of one of them, which
        takes two products per layer.
        """
        sizes = (4, *self.features, 2)
        weights = sum(a * b for a, b in itertools.pairwise(sizes))
        # There is no gradient with respect to the observations.
        return 2 * self.config.batch_size * (4 * weights - sizes[0] * sizes[1])


MakeWork = Callable[..., Work]
"""`(**overrides) -> work`, where `overrides` are integers of the `Config`."""


def default(**overrides: int) -> Work:
    """The training of `cartpole.py`."""
    recipe = recipes.find(classic.CARTPOLE)
    config = dataclasses.replace(recipe.config, **{"buffer_size": STEPS} | overrides)
    return Work(
        config,
        config.features,
        lambda config: recipe.trainer(config, max(STEPS, config.buffer_size)),
    )


def cleanrl(**overrides: int) -> Work:
    """The workload of published benchmarks: one update of a 120-84 network per step of ten environments."""
    config = {
        "num_envs": 10,
        "num_steps": 1,
        "num_updates": 1,
        "batch_size": 128,
        "buffer_size": 10_000,
        "learning_starts": 10_000,
        "n_step": 1,
        "gamma": 0.99,
        "target_period": 50,
    }
    features = (120, 84)

    def make_trainer(config: Config) -> Trainer:
        return training.dqn(
            envs.vectorize(envs.gymnax(classic.CARTPOLE), config.num_envs),
            agents.dqn(networks.QNetwork(networks.mlp(features), num_actions=2)),
            replay.uniform(config.buffer_size, config.batch_size, config.n_step),
            optax.adam(2.5e-4),
            optax.linear_schedule(1.0, 0.05, 250_000),
            num_steps=config.num_steps,
            num_updates=config.num_updates,
            learning_starts=config.learning_starts,
            gamma=config.gamma,
            target_period=config.target_period,
            tau=config.tau,
        )

    return Work(dataclasses.replace(Config(**config), **overrides), features, make_trainer)


WORKS: dict[WorkName, MakeWork] = {"default": default, "cleanrl": cleanrl}


class Training:
    """`num_agents` trainings in one compiled program; each call continues them for `ITERATIONS` iterations."""

    def __init__(self, work: Work, num_agents: int, num_devices: int | None = None) -> None:
        """Uses `num_devices`, by default the most that divide the agents evenly."""
        trainer, config = work.make_trainer(work.config), work.config
        self.flops = work.update_flops * config.num_updates * num_agents
        self.env_steps = config.num_envs * config.num_steps * num_agents
        self.updates = config.num_updates * num_agents
        devices = jax.local_devices()[:num_devices] if num_devices else None
        layout = population.layout(num_agents, devices)
        self.num_devices = layout.mesh.size
        start = time.perf_counter()
        init = jax.jit(population.each(trainer.init, layout), compiler_options=compiler_options())
        self.state = init(population.keys(range(num_agents)))
        chunk = population.each(lambda state: training.run(trainer, state, ITERATIONS), layout)
        program = jax.jit(chunk, donate_argnums=0, compiler_options=compiler_options())
        self.program = program.lower(self.state).compile()
        self.compile_seconds = time.perf_counter() - start
        memory: Any = self.program.memory_analysis()
        self.peak_bytes = self.num_devices * (
            memory.argument_size_in_bytes + memory.temp_size_in_bytes
        )

    def mark_full(self) -> None:
        """Marks the whole ring buffer as filled, so that samples come from all of it, zeros included."""
        buffer = self.state.buffer
        num_rows = buffer.words.shape[1]
        full = buffer._replace(
            words=buffer.words | 0, filled_rows=buffer.filled_rows * 0 + num_rows
        )
        self.state = self.state._replace(buffer=full)

    def __call__(self) -> Any:
        self.state, metrics = self.program(self.state)
        return metrics
