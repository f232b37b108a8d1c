"""What is timed? Trainings of two kinds of work, compiled for a number of members."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from jaxdqn.config import Config

WorkName = Literal["default", "cleanrl"]
STEPS = 50_000
"""World steps of `cartpole.py`, as many as its ring then holds."""
ITERATIONS = 500
"""Of a timed call."""


class Work(NamedTuple):
    """A training whose cost can be told."""

    config: Config
    features: Sequence[int]
    make_trainer: Callable[[Config], Any]

    @property
    def update_flops(self) -> int:
        """Matrix products of one update: a pass of either network, and two back through one of them."""
        sizes = (4, *self.features, 2)
        weights = sum(a * b for a, b in itertools.pairwise(sizes))
        # Nothing flows back into the observations.
        return 2 * self.config.batch_size * (4 * weights - sizes[0] * sizes[1])


def default(**numbers: int) -> Work:
    """What `cartpole.py` trains, with other `numbers` in its `Config` where they are given."""
    from experiments import cartpole, members

    agent = members.make_agent("dqn", num_actions=2)
    return Work(
        Config(**{"capacity": STEPS} | numbers),
        members.FEATURES,
        lambda config: cartpole.make_trainer("dqn", config, agent, max(STEPS, config.capacity)),
    )


def cleanrl(**numbers: int) -> Work:
    """What peers publish figures of: ten worlds, an update of a 120-84 network each ten world steps."""
    import optax

    from jaxdqn import agents, envs, networks, replay, training

    chosen = {
        "num_envs": 10,
        "num_steps": 1,
        "num_updates": 1,
        "batch_size": 128,
        "capacity": 10_000,
        "warmup_steps": 10_000,
        "n_step": 1,
        "gamma": 0.99,
        "target_period": 50,
    }
    features = (120, 84)

    def make_trainer(config: Config) -> Any:
        return training.dqn(
            config,
            envs.from_gymnax("CartPole-v1", config.num_envs),
            agents.dqn(networks.MLP(2, features)),
            replay.uniform(config.capacity, config.batch_size, config.n_step),
            optax.adam(2.5e-4),
            optax.linear_schedule(1.0, 0.05, 250_000),
        )

    return Work(Config(**chosen | numbers), features, make_trainer)


WORKS: dict[WorkName, Callable[..., Work]] = {"default": default, "cleanrl": cleanrl}


class Training:
    """`num_members` trainings, compiled for `ITERATIONS` iterations; a call goes on by these."""

    def __init__(self, work: Work, num_members: int, num_devices: int | None = None) -> None:
        """On `num_devices`, by default as many as share the members evenly."""
        import jax

        from jaxdqn import population, training
        from jaxdqn.runs.platform import compiler_options

        trainer, config = work.make_trainer(work.config), work.config
        self.flops = work.update_flops * config.num_updates * num_members
        self.world_steps = config.num_envs * config.num_steps * num_members
        self.updates = config.num_updates * num_members
        devices = jax.local_devices()[:num_devices] if num_devices else None
        layout = population.layout(num_members, devices)
        self.num_devices = layout.mesh.size
        start = time.perf_counter()
        init = jax.jit(population.each(trainer.init, layout), compiler_options=compiler_options())
        self.state = init(population.keys(range(num_members)))
        chunk = population.each(lambda state: training.run(trainer, state, ITERATIONS), layout)
        lowered = jax.jit(chunk, donate_argnums=0, compiler_options=compiler_options()).lower(
            self.state
        )
        self.program = lowered.compile()
        self.compile_seconds = time.perf_counter() - start
        memory: Any = self.program.memory_analysis()
        self.peak_bytes = self.num_devices * (
            memory.argument_size_in_bytes + memory.temp_size_in_bytes
        )

    def pretend_full(self) -> None:
        """Lets draws reach all of the ring, also what holds zeros still."""
        buffer = self.state.buffer
        num_rows = buffer.words.shape[1]
        full = buffer._replace(
            words=buffer.words | 0, filled_rows=buffer.filled_rows * 0 + num_rows
        )
        self.state = self.state._replace(buffer=full)

    def __call__(self) -> Any:
        self.state, metrics = self.program(self.state)
        return metrics
