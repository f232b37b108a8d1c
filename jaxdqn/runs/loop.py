"""How is a run carried through? Chunk by chunk: train, look, write down, save, stop when asked."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from jaxdqn import population, runs, session
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.population import Layout, Members, Settings
from jaxdqn.runs import checkpoint, logs, plots, policy_file, processes
from jaxdqn.runs.directory import locked, writable, write_json
from jaxdqn.runs.errors import DIVERGED, Interrupted, RunError
from jaxdqn.runs.platform import compiler_options
from jaxdqn.runs.signals import stop_request
from jaxdqn.session import Evaluate, Report, Session
from jaxdqn.training import Trainer


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and how often to look."""

    members: Members
    total_steps: int
    """World steps of one member, warm-up included; what does not fill an iteration is left out."""
    warmup_steps: int
    iteration_steps: int
    """World steps of an iteration."""
    chunk_steps: int
    """World steps between two looks; the last chunk may be shorter."""
    save_period: int
    """Chunks between two saves; the last chunk is always saved."""
    keep: int = 3
    """Saves kept, besides the best one."""

    @property
    def num_iterations(self) -> int:
        return (self.total_steps - self.warmup_steps) // self.iteration_steps

    @property
    def chunk_iterations(self) -> int:
        return self.chunk_steps // self.iteration_steps

    @property
    def num_chunks(self) -> int:
        return -(-self.num_iterations // self.chunk_iterations)

    def length(self, chunk: int) -> int:
        """Iterations of chunk number `chunk`, counted from 1."""
        done = (chunk - 1) * self.chunk_iterations
        return min(self.chunk_iterations, self.num_iterations - done)

    def saves_after(self, chunk: int) -> bool:
        """Whether chunk number `chunk` is one to be saved."""
        return chunk % self.save_period == 0 or chunk == self.num_chunks


def check(plan: Plan) -> None:
    """Raises `ConfigError` unless the plan can be carried out."""
    check_at_least("save_period", plan.save_period, 1)
    check_at_least("keep", plan.keep, 1)
    least = plan.warmup_steps + plan.iteration_steps
    if plan.total_steps < least:
        rule = f"must hold the warm-up and one iteration, at least {least}."
        raise ConfigError("steps", plan.total_steps, rule)
    if plan.chunk_iterations < 1:
        rule = f"must hold one iteration, num_envs * num_steps ({plan.iteration_steps})."
        raise ConfigError("chunk_steps", plan.chunk_steps, rule)


@dataclasses.dataclass(frozen=True)
class Result:
    """What `result.json` says; a list holds a value for each member."""

    seeds: list[int]
    settings: dict[str, list[float]]
    """What members have of their own beside the seed."""
    final_return: list[float]
    """Mean of the last evaluation: the headline."""
    best_return: list[float | None]
    """The highest mean of all evaluations: flattering, it was chosen by looking. `null` where all were lost."""
    diverged: list[int | None]
    """World steps by the chunk in which the loss, or a parameter, first was not finite; `null` for most."""
    world_steps: int
    """Of one member."""
    updates: int
    """Of one member."""
    policy_seed: int
    """Of the member whose best parameters are in `policy/`."""
    seconds: dict[str, float]
    """Of this process: `import` until `train` was called, `compile`, and `run`, evaluations included; of
    that, `save` is what saves held it up."""


def train(
    make_trainer: Callable[[Settings], Trainer],
    evaluate: Evaluate,
    plan: Plan,
    layout: Layout,
    run_dir: Path,
    resume: bool = False,
    quiet: bool = False,
) -> tuple[Result, Any]:
    """Trains `plan.members` side by side into `run_dir`; returns the result and the best parameters.

    With `resume` goes on after the newest usable checkpoint, to the bit as if never
    stopped. Raises `Interrupted` at the end of the chunk in which SIGINT or SIGTERM
    came, which is saved; `RunError` at the end of one after which no member's loss is
    finite, which is not, so that the checkpoint before stays the newest.

    Of several processes each trains and saves its own share of the members, for which
    `layout` is; they meet after each chunk, and every one writes down what all found.
    """
    seconds = {"import": time.perf_counter() - runs.STARTED}
    started = time.perf_counter()
    with (
        writable(processes.shared_directory(run_dir)),
        locked(run_dir),
        stop_request() as stop,
        checkpoint.Checkpoints(run_dir / "checkpoints", plan.keep, score) as saves,
    ):
        members = processes.share(plan.members)
        keys, settings = jax.device_put(
            (members.keys(), members.values()), NamedSharding(layout.mesh, population.ONE_EACH)
        )
        sessions, chunk, rows = start(make_trainer, layout)(keys, settings), 0, []
        if resume:
            chunk, sessions, rows = restore(saves, sessions)
        programs = compile_chunks(make_trainer, evaluate, plan, layout, sessions, settings)
        seconds["compile"] = time.perf_counter() - started

        started = time.perf_counter()
        seconds["save"] = 0.0
        stopping, signal_number = False, 0
        with logs.Log(run_dir, rows, plan.total_steps, quiet) as log:
            while chunk < plan.num_chunks and not stopping:
                chunk += 1
                sessions, report = programs[plan.length(chunk)](sessions, settings)
                report = processes.gather(report)
                log.write(logs.row(chunk, report))
                _require_one_finite(report, plan)
                # Asked once: what stops here must be what was saved here.
                signal_number = int(max(processes.gather(np.array([stop.signal_number]))))
                stopping = signal_number != 0
                if plan.saves_after(chunk) or stopping:
                    asked = time.perf_counter()
                    # The end must be kept, and of several processes by all or none.
                    if stopping or chunk == plan.num_chunks or processes.count() > 1:
                        saves.wait()
                    saves.save(chunk, sessions, rows)
                    seconds["save"] += time.perf_counter() - asked
        seconds["run"] = time.perf_counter() - started

        own = [layout.row(k, len(members)) for k in range(len(members))]
        mine = jax.device_get((sessions.best_return, sessions.best_params))
        best_return, best_params = processes.gather(jax.tree.map(lambda leaf: leaf[own], mine))
        best = int(np.argmax(best_return))
        best_params = jax.tree.map(lambda leaf: jnp.asarray(leaf[best]), best_params)
        policy_file.save_policy(run_dir / "policy", best_params)
        plots.curve(run_dir / "curve.png", rows)
        saves.wait()
        if chunk < plan.num_chunks:
            shared = processes.shared_directory(run_dir)
            raise Interrupted(signal_number, rows[-1]["world_steps"], shared)
        result = Result(
            seeds=list(plan.members.seeds),
            settings={name: list(values) for name, values in plan.members.settings.items()},
            final_return=rows[-1]["greedy_return"],
            best_return=logs.numbers(best_return),
            diverged=logs.diverged(rows),
            world_steps=rows[-1]["world_steps"],
            updates=rows[-1]["updates"],
            policy_seed=plan.members.seeds[best],
            seconds={part: round(value, 3) for part, value in seconds.items()},
        )
        write_json(run_dir / "result.json", dataclasses.asdict(result))
        return result, best_params


def restore(
    saves: checkpoint.Checkpoints, sessions: Session
) -> tuple[int, Session, list[logs.Row]]:
    """Chunk, sessions and rows to go on from: the newest that every process can, or the start."""
    most = None
    while True:
        there = saves.chunks(most)
        found = saves.restore(sessions, most) if there else (0, sessions, [])
        chunks = processes.gather(np.array([found[0]]))
        most = int(min(chunks))
        if most == max(chunks):
            return found


def start(
    make_trainer: Callable[[Settings], Trainer], layout: Layout
) -> Callable[[jax.Array, Settings], Session]:
    """`(keys [S], settings [S]) -> sessions`, compiled when it is called."""

    def init(key: jax.Array, settings: Settings) -> Session:
        return session.init(key, make_trainer(settings))

    program = population.each(init, layout, out_specs=population.ONE_A_PART)
    return jax.jit(program, compiler_options=compiler_options())


def compile_chunks(
    make_trainer: Callable[[Settings], Trainer],
    evaluate: Evaluate,
    plan: Plan,
    layout: Layout,
    sessions: Session,
    settings: Settings,
) -> dict[int, Callable[[Session, Settings], tuple[Session, Report]]]:
    """A compiled program for each length of chunk, at most two; each consumes the sessions given to it."""
    specs = population.ONE_A_PART, population.ONE_EACH
    programs = {}
    for length in {plan.length(1), plan.length(plan.num_chunks)}:

        def advance(session_: Session, settings: Settings, length: int = length):
            return session.advance(session_, make_trainer(settings), evaluate, length)

        program = jax.jit(
            population.each(advance, layout, specs, specs),
            donate_argnums=0,
            compiler_options=compiler_options(),
        )
        programs[length] = program.lower(sessions, settings).compile()
    return programs


def score(row: logs.Row) -> float:
    """By which the best save is the best: the mean over the seeds."""
    return logs.mean(row["greedy_return"])


def _require_one_finite(report: Report, plan: Plan) -> None:
    """Others go on while one is left: what is lost has its place in the result."""
    finite = np.isfinite(report.metrics.loss)
    # An update's loss is that before its step: parameters may be lost after the last.
    finite[:, -1] &= report.finite
    if not finite.all(axis=1).any():
        iteration = int(np.argmin(finite.all(axis=0)))
        member = int(np.argmin(finite[:, iteration]))
        raise RunError(
            f"the loss of seed {plan.members.seeds[member]} is no longer finite at world step "
            f"{report.metrics.world_steps[member, iteration]:,}. What was saved before is kept; "
            "begin a new run with a smaller learning rate.",
            DIVERGED,
        )
