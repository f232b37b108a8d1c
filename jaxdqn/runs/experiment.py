"""The body of every script that trains: from a recipe and the options to a run directory."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxdqn import envs, recipes
from jaxdqn.config import Config, ConfigError, check_at_least, round_up
from jaxdqn.recipes import AgentName, Recipe
from jaxdqn.runs import (
    cli,
    directory,
    hardware,
    logs,
    loop,
    numerals,
    prepared,
    processes,
    report,
    saved,
    signals,
    tracker,
    versions,
)
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.hardware import Hardware

Overrides = cli.optional_fields(Config)
"""A dataclass with the fields of `Config`; those that are not given are None."""


MOST_AGENTS = 1_000_000
"""Upper limit of the agents of a run or of a sweep."""


@dataclass(frozen=True)
class Args:
    """Train a deep Q-learning agent, evaluate it, save it and draw its curve."""

    agent: AgentName = "dqn"
    """Algorithm; see jaxdqn/agents/."""
    steps: int | None = None
    """Environment steps per seed, at most, including those before learning starts; by default those of the recipe."""
    seeds: int = 1
    """Number of seeds, trained side by side in one program; at least 1."""
    seed: int = 0
    """First seed; the others are the integers after it; at least 0."""
    config: Annotated[Any, tyro.conf.arg(constructor=Overrides)] = field(default_factory=Overrides)
    eval_interval: int | None = None
    """Environment steps between two evaluations; at least one iteration; by default that of the recipe."""
    eval_episodes: int = 100
    """Episodes per evaluation, played greedily; at least 1."""
    checkpoint_interval: int = 10
    """Evaluations between two checkpoints; at least 1; the final state is always saved."""
    run_dir: Path | None = None
    """Run directory, new or empty; by default a new one under runs/."""
    resume: bool = False
    """Continue the run in --run-dir."""
    track: tracker.Name | None = None
    """Experiment tracker beside TensorBoard: wandb or trackio, from the extra `track`."""
    quiet: bool = False
    """Print nothing but errors."""
    hardware: Annotated[Hardware, tyro.conf.arg(name="")] = field(default_factory=Hardware)


@dataclass(frozen=True)
class EnvArgs(Args):
    """Train a deep Q-learning agent on any environment, evaluate it, save it and draw its curve."""

    env: str = "CartPole-v1"
    """Environment: a name from --list-envs, or MODULE:FUNCTION, your own function that returns an Env."""
    list_envs: bool = False
    """Print the names of the environments and exit."""


def train(args: EnvArgs) -> None:
    """The program `python -m jaxdqn`: trains on `args.env`, or lists the environments."""
    if args.list_envs:
        cli.say("\n".join(envs.names()))
    else:
        main(lambda: recipes.find(args.env, args.agent), args)


def main(
    make_recipe: Callable[[], Recipe],
    args: Args,
    on_evaluation: Sequence[Callable[[logs.Row], None]] = (),
) -> None:
    """Trains into a run directory and prints the results.

    `make_recipe` is called when JAX is configured, because it may import gymnax, which starts the
    backend. Each function of `on_evaluation` is called with each row of `metrics.jsonl`.
    """
    check_options(args)
    with signals.ending_at_once():
        hardware.start(args.hardware, args.seeds)
        recipe, args = complete(make_recipe(), args)
        agents = prepared.population(recipe, range(args.seed, args.seed + args.seeds))
        training = prepared.prepare(recipe, args, agents)
        first, used_config = processes.index() == 0, run_config(recipe, args)
        quiet = args.quiet or not first
        require_usable(args, used_config)
        training.check_memory(quiet)
    parent = Path("runs") / recipe.env_name.replace("/", "-").replace(":", "-")
    run_dir = create(args, parent, used_config)
    say = (lambda line: None) if quiet else cli.say
    for line in (
        *rounding(recipe),
        *training.lines,
        f"Run directory: {cli.short(run_dir)}",
    ):
        say(line)
    tracked = None
    if args.track and first:
        tracked = tracker.Tracker(args.track, run_dir, used_config, agents.seeds)
        tracked.start()
        on_evaluation = [*on_evaluation, tracked.row]
    result, found = training.run(run_dir, args.resume, quiet, on_evaluation)
    if first:
        present(recipe, args.seed, run_dir, result, found, tracked, say)
    diverged = [
        str(seed) for seed, at in zip(result.seeds, result.diverged, strict=True) if at is not None
    ]
    if diverged:
        raise RunError(
            f"training of seed {', '.join(diverged)} diverged (non-finite loss); "
            "the other seeds are finished.",
            DIVERGED,
        )


def present(
    recipe: Recipe,
    seed: int,
    run_dir: Path,
    result: loop.Result,
    found: loop.Policies,
    tracked: tracker.Tracker | None,
    say: Callable[[str], None],
) -> None:
    """Writes the animation and the report of a finished run, tells the tracker, and prints the results."""
    values = recipe.hyperparameters(recipe.config)
    values |= {"env": recipe.env_name, "agent": recipe.agent_name}
    logs.write_hyperparameters(run_dir, values, logs.mean(result.final_return))
    pictures, episode = saved.export_first(recipe, found.final, run_dir, seed)
    page = report.write(run_dir, recipe, episode=episode)
    if tracked is not None:
        final = {"final_return": result.final_return, "best_return": result.best_return}
        tracked.finish(tracker.series(final, result.seeds), [run_dir / "curve.png", *pictures])
    returns = result.final_return, result.best_return
    for line in numerals.summary(result.seeds, *returns, recipe.solved_at):
        say(line)
    names = (path.name for path in (run_dir / "curve.png", *pictures))
    say(f"Results: {', '.join([str(cli.short(page)), *names])}.")


def check_options(args: Any) -> None:
    """Raises `ConfigError` for numbers that no recipe allows."""
    for name in ("seeds", "eval_episodes", "eval_interval", "checkpoint_interval", "steps"):
        if getattr(args, name) is not None:
            check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    if args.seeds > MOST_AGENTS:
        raise ConfigError("seeds", args.seeds, f"must be at most {MOST_AGENTS:,}.")
    check_last_seed(args.seed, args.seeds)


def check_last_seed(seed: int, count: int) -> None:
    """Raises `ConfigError` unless the last of `count` seeds fits into an int32."""
    if seed + count > 2**31:
        rule = f"must be small enough that the last seed ({seed + count - 1}) is below 2147483648."
        raise ConfigError("seed", seed, rule)


def require_usable(args: Any, used_config: dict[str, Any]) -> None:
    """Raises an error if the processes disagree, or if the run directory holds something else; writes nothing."""
    processes.require_same(directory.flatten(used_config) | versions.found())
    processes.require_shared(args.run_dir)
    if processes.index() == 0:
        directory.check(args.run_dir, used_config, args.resume)


def create(args: Any, parent: Path, used_config: dict[str, Any]) -> Path:
    """The run directory, by default a new one under `parent`, which process 0 creates for all."""
    run_dir = args.run_dir or Path()
    if processes.index() == 0:
        run_dir = directory.create(args.run_dir, parent, used_config, args.resume)
    processes.wait()
    return run_dir


def complete(recipe: Recipe, args: Any) -> tuple[Recipe, Any]:
    """The recipe with the hyperparameters of the command line, and the options with those of the recipe.

    Raises `ConfigError` for a value that is invalid or that the agent does not read.
    """
    args = dataclasses.replace(
        args,
        steps=args.steps or recipe.steps,
        eval_interval=args.eval_interval or recipe.eval_interval,
    )
    given = {k: v for k, v in dataclasses.asdict(args.config).items() if v is not None}
    for name, value in given.items():
        require_read(recipe, name, lambda rule, n=name, v=value: ConfigError(n, v, rule))
    config = dataclasses.replace(recipe.config, **given)
    if recipe.support is not None:
        config = dataclasses.replace(config, **{**recipe.support(config.gamma), **given})
    recipe = dataclasses.replace(recipe, config=config)
    recipe.check(recipe.config, args.steps)
    if {"v_min", "v_max"} & given.keys():
        recipes.check_support(recipe.env, recipe.config)
    return recipe, args


def require_read(recipe: Recipe, name: str, error: Callable[[str], ConfigError]) -> None:
    """Raises `error(rule)` if the agent of `recipe` does not read the hyperparameter `name`."""
    if name not in recipe.algorithm.fields:
        raise error(f"must not be given: {recipe.agent_name} on {recipe.env_name} does not use it.")


def rounding(recipe: Recipe) -> list[str]:
    """Lines that say which hyperparameters are rounded up to a multiple of `num_envs`."""
    config, lines = recipe.config, []
    for name in ("learning_starts", "buffer_size"):
        value = getattr(config, name)
        rounded = round_up(value, config.num_envs)
        if name in recipe.algorithm.fields and rounded != value:
            lines.append(f"{name}: {value:,} rounded up to {rounded:,}, a multiple of num_envs.")
    return lines


def run_config(recipe: Recipe, args: Any) -> dict[str, Any]:
    """The key `config` of `config.json`: everything that determines the numbers of a run, and nothing else."""
    options = dataclasses.asdict(args)
    for name in ("run_dir", "resume", "track", "quiet", "hardware", "list_envs"):
        options.pop(name, None)
    return options | {
        "env": recipe.env_name,
        "agent": recipe.agent_name,
        "config": recipe.hyperparameters(recipe.config),
        "obs_scale": recipe.obs_scale,
        "threads": args.hardware.threads,
    }
