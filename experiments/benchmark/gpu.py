"""Training on one GPU: agreement with the CPU, whole trainings of many seeds, memory, and a profile.

    python experiments/benchmark/gpu.py
    python experiments/benchmark/gpu.py --parts cartpole --cartpole-seeds 2000
    python experiments/benchmark/gpu.py --parts variants profile --json rows.json

- `agreement`: one iteration of each agent on the GPU and on the CPU from the same seed, and whether
  training goes on identically after a copy to the host and back, as a resumed run needs it.
- `cartpole`: whole trainings with their evaluations, all seeds in one `vmap`.
- `breakout`: the same on Breakout-MinAtar, DQN and PQN.
- `variants`: PQN on Breakout-MinAtar with other options of the compiler and precisions.
- `profile`: the kernels on which DQN on Breakout-MinAtar spends most time.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from experiments.benchmark import kernels
from experiments.benchmark.measure import Row
from experiments.results.markdown import table
from jaxdqn import recipes, training
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.recipes import AGENTS, AgentName
from jaxdqn.runs import cli, hardware, leaves, platform
from jaxdqn.runs.errors import RunError
from jaxdqn.training import population, session

CARTPOLE, BREAKOUT = "CartPole-v1", "Breakout-MinAtar"
TRAINED: tuple[AgentName, ...] = ("dqn", "pqn")
FIRST_SEED = 2000
"""First seed of the trainings; hyperparameters were chosen on those below 100."""
EVAL_EPISODES = 100
PROFILED_ITERATIONS = 20
PartName = Literal["agreement", "cartpole", "breakout", "variants", "profile"]


@dataclass(frozen=True)
class Args:
    """Measure training on one GPU."""

    parts: tuple[PartName, ...] = ("agreement", "cartpole", "breakout")
    """Parts to measure, at least one."""
    cartpole_seeds: tuple[int, ...] = (1, 64, 1024, 8192)
    """Numbers of agents in part cartpole, each at least 1."""
    cartpole_steps: int = 50_000
    """Environment steps of each of them."""
    breakout_seeds: tuple[int, ...] = (1, 16)
    """Numbers of agents in part breakout, each at least 1."""
    breakout_steps: int = 10_000_000
    """Environment steps of each of them, and in part variants."""
    cpu: bool = False
    """Use the CPU instead, to try the program."""
    json: Path | None = None
    """File for the rows, in an existing directory; by default none is written."""


class Variant(NamedTuple):
    """A way to compile a training."""

    options: dict[str, str]
    """Options of XLA."""
    precision: str
    """Precision of matrix products and convolutions."""


GRAPHS = "xla_gpu_enable_command_buffer"
ALL_COMMANDS = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE"
"""Unlike `XLA_FLAGS`, an option of the compiler replaces the default, and takes no `+WHILE`."""
DEFAULT = Variant({}, "float32")
VARIANTS = {
    "default": DEFAULT,
    "no command buffers": Variant({GRAPHS: "INVALID"}, "float32"),
    "command buffers with loops": Variant({GRAPHS: ALL_COMMANDS}, "float32"),
    "tf32": Variant({}, "tensorfloat32"),
}


def measure_agreement(args: Args) -> list[Row]:
    """A row per agent: the relative differences from the CPU, and whether a resumed iteration is identical."""
    del args
    rows = []
    for agent in AGENTS:
        trainer = recipes.find(CARTPOLE, agent).trainer()

        def iteration(device: Any, trainer: Any = trainer) -> tuple[Any, Any, Any]:
            layout = population.layout(1, [device])
            step = jax.jit(population.each(trainer.step, layout))
            state = jax.jit(population.each(trainer.init, layout))(population.keys([FIRST_SEED]))
            return step, *step(state)

        step, state, metrics = iteration(jax.devices()[0])
        _, _, expected = iteration(jax.devices("cpu")[0])
        straight, _ = step(state)
        resumed, _ = step(leaves.to_devices(state, leaves.on_host(state)))
        rows.append(
            {
                "agent": agent,
                "loss": difference(metrics.loss, expected.loss),
                "gradient": difference(metrics.grad_norm, expected.grad_norm),
                "resumed": "identical" if identical(straight, resumed) else "different",
            }
        )
    return rows


def difference(found: jax.Array, expected: jax.Array) -> float:
    """The largest relative difference."""
    x, y = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.max(np.abs(x - y) / np.maximum(np.abs(y), 1e-30)))


def identical(one: Any, other: Any) -> bool:
    """Whether all leaves `[R, ...]` are the same, to the bit."""
    pairs = zip(*(jax.tree.leaves(leaves.on_host(tree)) for tree in (one, other)), strict=True)
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


def measure_cartpole(args: Args) -> list[Row]:
    """A row per number of seeds."""
    return [
        whole(CARTPOLE, "dqn", args.cartpole_steps, seeds, DEFAULT) for seeds in args.cartpole_seeds
    ]


def measure_breakout(args: Args) -> list[Row]:
    """A row per agent and number of seeds."""
    return [
        whole(BREAKOUT, agent, args.breakout_steps, seeds, DEFAULT)
        for agent in TRAINED
        for seeds in args.breakout_seeds
    ]


def measure_variants(args: Args) -> list[Row]:
    """A row per variant, one seed each."""
    return [
        {"variant": name} | whole(BREAKOUT, "pqn", args.breakout_steps, 1, variant)
        for name, variant in VARIANTS.items()
    ]


def whole(env: str, agent: AgentName, steps: int, seeds: int, variant: Variant) -> Row:
    """Compiles and runs whole trainings with their evaluations as one program."""
    recipe = recipes.find(env, agent)
    trainer, layout = recipe.trainer(total_steps=steps), population.layout(seeds)
    iterations = (steps - trainer.learning_starts) // trainer.iteration_steps
    length = min(max(recipe.eval_interval // trainer.iteration_steps, 1), iterations)
    evaluate = recipe.evaluate(EVAL_EPISODES)

    def train(key: jax.Array) -> jax.Array:
        return session.train(key, trainer, evaluate, iterations, length)[1][-1]

    keys = population.keys(range(FIRST_SEED, FIRST_SEED + seeds))
    started = time.perf_counter()
    options = platform.compiler_options() | variant.options
    with jax.default_matmul_precision(variant.precision):
        program = jax.jit(population.each(train, layout), compiler_options=options)
        compiled = program.lower(keys).compile()
    begun = time.perf_counter()
    returns = np.asarray(compiled(keys))
    seconds = time.perf_counter() - begun
    needed, free = hardware.program_bytes([compiled], layout)
    return {
        "env": env,
        "agent": agent,
        "seeds": seeds,
        "steps": steps,
        "compile_seconds": begun - started,
        "seconds": seconds,
        "steps_per_second": seeds * iterations * trainer.iteration_steps / seconds,
        "final": statistics.median(returns.tolist()),
        "least": float(returns.min()),
        "solved": int((returns >= recipe.solved_at).sum()) if recipe.solved_at else None,
        "bytes_per_seed": needed / seeds,
        "seeds_that_fit": int(free * seeds / needed),
    }


def measure_profile(args: Args) -> list[Row]:
    """The kernels that take most of the time of some iterations of DQN, and the time without a kernel."""
    trainer = recipes.find(BREAKOUT, "dqn").trainer(total_steps=args.breakout_steps)
    state = jax.jit(trainer.init)(jax.random.key(FIRST_SEED))
    run = jax.jit(lambda state: training.run(trainer, state, PROFILED_ITERATIONS))
    return kernels.measure(lambda: run(state))


PARTS: dict[PartName, Callable[[Args], list[Row]]] = {
    "agreement": measure_agreement,
    "cartpole": measure_cartpole,
    "breakout": measure_breakout,
    "variants": measure_variants,
    "profile": measure_profile,
}


def cell(value: Any) -> str:
    """A figure of a row in a table."""
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
    return value


def main(args: Args) -> None:
    """Measures the requested parts, prints their tables and writes the file."""
    check_at_least("parts", len(args.parts), 1)
    for name in ("cartpole_seeds", "breakout_seeds"):
        check_at_least(name, len(getattr(args, name)), 1)
        for count in getattr(args, name):
            check_at_least(name, count, 1)
    if args.json and not args.json.parent.is_dir():
        raise ConfigError("json", args.json, "must lie in an existing directory.")
    platform.configure(compilation_cache=False)
    platform.start_backend()
    if jax.default_backend() != "gpu" and not args.cpu:
        raise RunError("JAX finds no GPU here; --cpu tries the program on the CPU.", 2)
    for option, env in (("cartpole_steps", CARTPOLE), ("breakout_steps", BREAKOUT)):
        trainers = [recipes.find(env, agent).trainer() for agent in TRAINED]
        least = max(x.learning_starts + x.iteration_steps for x in trainers)
        check_at_least(option, getattr(args, option), least)
    device = f"{jax.devices()[0].device_kind}, jax {jax.__version__}"
    found: list[Row] = []
    for part in args.parts:
        rows = PARTS[part](args)
        shown = [{name: cell(value) for name, value in row.items()} for row in rows]
        cli.say(table(f"{part}, {device}", shown))
        found += [{"part": part, "device": device} | row for row in rows]
        if args.json:
            args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    cli.main(Args, main)
