"""The compiled programs of a run: one that starts the agents, and one for each length of chunk."""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import NamedSharding

from jaxdqn.runs import leaves
from jaxdqn.runs.plan import Plan
from jaxdqn.runs.platform import compiler_options
from jaxdqn.training import population, session
from jaxdqn.training.population import Hyperparameters, Layout
from jaxdqn.training.session import Evaluate, Report, Session
from jaxdqn.training.trainer import Trainer


class Programs(NamedTuple):
    """The compiled programs of a run."""

    start: Any
    """`(keys [S], hyperparameters [S]) -> sessions`."""
    chunks: dict[int, Any]
    """Length of a chunk -> `(sessions, hyperparameters) -> (sessions, report)`; consumes its sessions."""
    seconds: float
    """Time of the compilation."""


def announce() -> None:
    """Says why nothing happens for some seconds."""
    end = "\r" if sys.stderr.isatty() else "\n"  # The bar replaces it.
    print("compiling ...", end=end, file=sys.stderr, flush=True)


def inputs(plan: Plan, layout: Layout) -> tuple[jax.Array, Hyperparameters]:
    """Keys `[S]` and hyperparameters `[S]` of the agents, on their devices."""
    sharding = NamedSharding(layout.mesh, population.PER_MEMBER)
    agents = jax.device_get((jax.random.key_data(plan.agents.keys()), plan.agents.values()))
    keys, values = jax.tree.map(lambda x: leaves.put(x, sharding), agents)
    return jax.random.wrap_key_data(keys), values


def compile_programs(
    make_trainer: Callable[[Hyperparameters], Trainer],
    evaluate: Evaluate,
    plan: Plan,
    layout: Layout,
) -> Programs:
    """Compiles all programs of a run; allocates no memory for its agents."""
    started = time.perf_counter()
    keys, values = inputs(plan, layout)
    traced = start(make_trainer, layout).trace(keys, values)
    sharding = NamedSharding(layout.mesh, population.PER_MEMBER)
    sessions = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), traced.out_info
    )
    begin = traced.lower().compile()
    chunks = compile_chunks(make_trainer, evaluate, plan, layout, sessions, values)
    return Programs(begin, chunks, time.perf_counter() - started)


def start(make_trainer: Callable[[Hyperparameters], Trainer], layout: Layout) -> Any:
    """`(keys [S], hyperparameters [S]) -> sessions`, a `jax.jit`."""

    def init(key: jax.Array, hyperparameters: Hyperparameters) -> Session:
        return session.init(key, make_trainer(hyperparameters))

    return jax.jit(population.each(init, layout), compiler_options=compiler_options())


def compile_chunks(
    make_trainer: Callable[[Hyperparameters], Trainer],
    evaluate: Evaluate,
    plan: Plan,
    layout: Layout,
    sessions: Session,
    hyperparameters: Hyperparameters,
) -> dict[int, Callable[[Session, Hyperparameters], tuple[Session, Report]]]:
    """A compiled program for each length of chunk, at most two; each consumes its sessions.

    The leaves of `sessions` are arrays or `ShapeDtypeStruct`s.
    """
    programs = {}
    for length in {plan.length(1), plan.length(plan.num_chunks)}:

        def advance(session_: Session, own: Hyperparameters, length: int = length):
            return session.advance(session_, make_trainer(own), evaluate, length)

        program = jax.jit(
            population.each(advance, layout),
            donate_argnums=0,
            compiler_options=compiler_options(),
        )
        programs[length] = program.lower(sessions, hyperparameters).compile()
    return programs
