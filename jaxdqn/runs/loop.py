"""The host loop of a run: train a chunk, log it, save a checkpoint, stop on request."""

import contextlib
import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import psutil

from jaxdqn.networks import Params
from jaxdqn.runs import checkpoint, compilation, logs, plots, processes
from jaxdqn.runs.compilation import Programs, compile_programs
from jaxdqn.runs.directory import locked, writable, write_json
from jaxdqn.runs.errors import DIVERGED, Interrupted, RunError
from jaxdqn.runs.plan import Plan
from jaxdqn.runs.signals import stop_request
from jaxdqn.training.population import Hyperparameters, Layout
from jaxdqn.training.session import Evaluate, Report, Session
from jaxdqn.training.trainer import Trainer

STOPPING = "stopping after this chunk ... (Ctrl-C again: stop at once, without saving)"


@dataclasses.dataclass(frozen=True)
class Result:
    """The contents of `result.json`; lists hold one value per agent."""

    seeds: list[int]
    hyperparameters: dict[str, list[float]]
    """The floats of the config of each agent."""
    final_return: list[float | None]
    """Mean return of the last evaluation: the headline figure; `null` if it is not finite."""
    best_return: list[float | None]
    """Highest mean return of all evaluations, biased upwards by this choice; `null` if none was finite."""
    diverged: list[int | None]
    """Environment steps at the end of the first chunk with a non-finite loss or parameter; `null` if there is none."""
    env_steps: int
    """Per agent."""
    updates: int
    """Per agent."""
    seconds: dict[str, float]
    """Seconds spent by this process: `import` from its start to the call of `train`, `compile`, `run`
    including evaluations, and `save`, the part of `run` spent waiting for checkpoints."""


class Policies(NamedTuple):
    """Parameters of all agents, leaves `[S, ...]`."""

    final: Params
    """After the last update."""
    best: Params
    """Of the best evaluation; non-finite ones are ignored."""


def train(
    make_trainer: Callable[[Hyperparameters], Trainer],
    evaluate: Evaluate,
    plan: Plan,
    layout: Layout,
    run_dir: Path,
    resume: bool = False,
    quiet: bool = False,
    save_policies: Callable[[Policies], None] = lambda policies: None,
    save_snapshot: Callable[[int, Params], None] = lambda env_steps, params: None,
    on_evaluation: Sequence[Callable[[logs.Row], None]] = (),
    draw_curve: Callable[[Path, list[logs.Row]], None] = plots.curve,
    programs: Programs | None = None,
) -> tuple[Result, Policies]:
    """Trains `plan.agents` into `run_dir`; returns the result and the parameters.

    Compiles the `programs` unless they are given.

    With `resume`, continues from the newest usable checkpoint, bit-identical to a run that
    was never stopped. Raises `Interrupted` at the end of the chunk in which SIGINT or SIGTERM
    arrived, after saving it; `RunError` when all agents have diverged. The chunk in which this
    happens is not saved, so that the checkpoint before it stays the newest.

    `save_policies` is called with the parameters at the end, or when the run is stopped.
    `save_snapshot` is called with the environment steps and the parameters `[1, ...]` of the first
    agent after the evaluations 1, 2, 4, 8 and so on, before a checkpoint of that chunk. Each
    function of `on_evaluation` is called with the row of `metrics.jsonl` after each evaluation; one
    that raises is not called again, with a warning. `draw_curve` writes `curve.png` from all rows.

    If several processes share the run, all call this function, and process 0 alone writes logs,
    pictures, policies and the result.
    """
    seconds = {"import": time.time() - psutil.Process().create_time()}
    seconds["import"] -= programs.seconds if programs else 0.0
    first = processes.index() == 0
    with (
        writable(run_dir),
        locked(run_dir) if first else contextlib.nullcontext(),
        stop_request() as stop,
        checkpoint.Checkpoints(run_dir / "checkpoints", plan.keep, score) as checkpoints,
    ):
        if not quiet:
            stop.notice = STOPPING
            if programs is None:
                compilation.announce()
        params_of = make_trainer(plan.agents.one(0)).params
        keys, values = compilation.inputs(plan, layout)
        programs = programs or compile_programs(make_trainer, evaluate, plan, layout)
        started = time.perf_counter()
        sessions, chunk, rows = programs.start(keys, values), 0, []
        if resume:
            chunk, sessions, rows = restore(checkpoints, sessions, plan)
        seconds["compile"] = programs.seconds + time.perf_counter() - started

        started = time.perf_counter()
        seconds["save"] = 0.0
        stopping, signal_number = False, 0
        hooks = list(on_evaluation)
        log = logs.Rows(rows)
        if first:
            log = logs.Log(rows, run_dir, plan.agents.seeds, plan.total_steps, quiet)
        with log:
            while chunk < plan.num_chunks and not stopping:
                chunk += 1
                sessions, report = programs.chunks[plan.length(chunk)](sessions, values)
                report = processes.gather(report)
                _call(hooks, log.write(chunk, report))  # Appends to `rows`.
                _require_one_finite(report, plan)
                if plan.is_snapshot(chunk):
                    params = processes.gather(params_of(sessions.state))
                    one = jax.tree.map(lambda leaf: leaf[:1], params)
                    if first:
                        save_snapshot(rows[-1]["env_steps"], one)
                # Read once per chunk: the chunk that stops must be the one that is saved.
                signal_number = int(max(processes.gather(np.array([stop.signal_number]))))
                stopping = signal_number != 0
                if plan.is_checkpoint(chunk) or stopping:
                    asked = time.perf_counter()
                    # `save` does nothing while another save is pending, but the last one must be saved.
                    if stopping or chunk == plan.num_chunks:
                        checkpoints.wait()
                    checkpoints.save(chunk, sessions, rows)
                    seconds["save"] += time.perf_counter() - asked
        stop.notice = ""
        seconds["run"] = time.perf_counter() - started

        final = params_of(sessions.state), sessions.best_params, sessions.best_return
        *policies, best_return = processes.gather(final)
        policies = Policies(*policies)
        if first:
            save_policies(policies)
            draw_curve(run_dir / "curve.png", rows)
        checkpoints.wait()
        if chunk < plan.num_chunks:
            raise Interrupted(signal_number, rows[-1]["env_steps"], run_dir)
        result = Result(
            seeds=list(plan.agents.seeds),
            hyperparameters={name: list(x) for name, x in plan.agents.hyperparameters.items()},
            final_return=rows[-1]["eval_return"],
            best_return=logs.numbers(best_return),
            diverged=logs.diverged(rows),
            env_steps=rows[-1]["env_steps"],
            updates=rows[-1]["updates"],
            seconds={part: round(value, 3) for part, value in seconds.items()},
        )
        if first:
            write_json(run_dir / "result.json", dataclasses.asdict(result))
        processes.wait()  # All files exist when one of the processes returns.
        return result, policies


def _call(hooks: list[Callable[[logs.Row], None]], row: logs.Row) -> None:
    """Calls all hooks; removes those that raise, with a warning."""
    for hook in tuple(hooks):
        try:
            hook(row)
        except Exception as error:
            hooks.remove(hook)
            name = getattr(hook, "__name__", repr(hook))
            reason = f"{type(error).__name__}: {error}"
            print(f"warning: {name} is not called again: {reason}", file=sys.stderr)


def restore(
    checkpoints: checkpoint.Checkpoints, sessions: Session, plan: Plan
) -> tuple[int, Session, list[logs.Row]]:
    """Chunk, sessions and rows of the newest checkpoint that every process can use, or the initial ones."""
    most, check = plan.num_chunks, functools.partial(logs.checked, num_agents=len(plan.agents))
    while True:  # Lowers the limit until all processes find the same chunk.
        available = checkpoints.chunks(most)
        found = checkpoints.restore(sessions, most, check) if available else (0, sessions, [])
        chunks = processes.gather(np.array([found[0]]))
        most = int(min(chunks))
        if most == max(chunks):
            return found


def score(row: logs.Row) -> float:
    """Score of a checkpoint: the mean evaluation return over the seeds, minus infinity if none is finite."""
    mean = logs.mean(row["eval_return"])
    return -math.inf if math.isnan(mean) else mean


def _require_one_finite(report: Report, plan: Plan) -> None:
    """Raises `RunError` if all agents diverged; while one is left, training continues."""
    finite = np.isfinite(report.metrics.loss)
    # The loss of an update precedes its step, so it cannot show that the last step diverged.
    finite[:, -1] &= report.finite
    if not finite.all(axis=1).any():
        iteration = int(np.argmin(finite.all(axis=0)))
        agent = int(np.argmin(finite[:, iteration]))
        raise RunError(
            f"the loss of seed {plan.agents.seeds[agent]} is not finite at environment step "
            f"{report.metrics.env_steps[agent, iteration]:,}. Earlier checkpoints are kept; "
            "start a new run with a smaller learning rate.",
            DIVERGED,
        )
