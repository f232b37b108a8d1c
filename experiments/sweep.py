"""Sweep over hyperparameters: trains every configuration on many seeds, and ranks them.

python experiments/sweep.py --seeds 32 --sweep learning_rate=1e-4:1e-2:log:8 --sweep gamma=0.9,0.99
python experiments/sweep.py --seeds 8 --draw learning_rate=1e-4:1e-2:log --draw gamma=0.9:1 --num-draws 64

Configurations that differ in traced floats only are trained in one program. Integers determine
shapes and loop lengths, so each combination of them is compiled separately.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments.results import markdown, rows
from experiments.results.rows import LOWEST
from experiments.sweeps import grid, picture
from experiments.sweeps.grid import Configuration
from experiments.sweeps.ranking import ranking
from jaxdqn import envs, recipes
from jaxdqn.config import ConfigError, check_at_least, floats
from jaxdqn.recipes import Recipe
from jaxdqn.runs import cli, directory, experiment, hardware, logs, prepared, processes, signals
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.training.population import Population

SHOWN = 20
"""Configurations in the ranking on the terminal."""


@dataclass(frozen=True)
class Args(experiment.EnvArgs):
    """Train every configuration of a sweep on many seeds, and rank them."""

    sweep: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Values as NAME=0.9,0.99 or NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:log:COUNT; repeat it for a grid."""
    draw: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Range as NAME=LOW:HIGH or NAME=LOW:HIGH:log, sampled at random; may be repeated."""
    num_draws: int = 16
    """Random samples, combined with every point of the grid; at least 1."""
    draw_seed: int = 0
    """Seed of the random samples; at least 0."""
    seeds: int = 8
    """Seeds per configuration; at least 1."""
    seed: int = 0
    """First seed; no two agents share a seed unless --paired; at least 0."""
    eval_interval: int | None = 5_000
    """Environment steps between two evaluations; at least one iteration."""
    checkpoint_interval: int = 2
    """Evaluations between two checkpoints; at least 1; the end is always saved."""
    paired: bool = False
    """Use the same seeds for every configuration."""
    max_parallel: int | None = None
    """Agents trained at the same time; by default all with the same static values; at least 1."""


@dataclass(frozen=True)
class Part:
    """Agents that are trained in one program and one run directory."""

    static: dict[str, int | float]
    """Values of the compiled program, the same for all its agents."""
    seeds: list[int]
    configurations: list[Configuration]
    """One for each seed."""


def parts_of(args: Args, configurations: Sequence[Configuration]) -> list[Part]:
    """All configurations on all seeds, grouped by their static values, with at most `max_parallel` agents each."""
    parts = []
    for static, indices in grid.group(configurations):
        pairs = [
            (args.seed + k + (0 if args.paired else index * args.seeds), configurations[index])
            for index in indices
            for k in range(args.seeds)
        ]
        size = args.max_parallel or len(pairs)
        for first in range(0, len(pairs), size):
            seeds, own = zip(*pairs[first : first + size], strict=True)
            parts.append(Part(static, list(seeds), list(own)))
    return parts


def check_configurations(
    recipe: Recipe, args: Args, configurations: Sequence[Configuration]
) -> None:
    """Raises `ConfigError`, for the option that caused it, if a configuration is invalid."""
    words = {word.split("=")[0].replace("-", "_"): word for word in args.sweep + args.draw}

    def invalid(name: str, rule: str) -> ConfigError:
        return ConfigError("sweep" if words[name] in args.sweep else "draw", words[name], rule)

    for name in words:
        experiment.require_read(recipe, name, functools.partial(invalid, name))
    for configuration in configurations:
        config = dataclasses.replace(recipe.config, **configuration)
        try:
            recipe.check(config, args.steps or 0)
            if {"v_min", "v_max"} & words.keys():
                recipes.check_support(recipe.env, config)
        except ConfigError as error:
            # The rule may refer to another hyperparameter than the one that was swept.
            named = [error.option, *(name for name in words if name in error.rule), *words]
            name = next(name for name in named if name in words)
            rule = f"gives an invalid configuration: {error.option} ({error.value}) {error.rule}"
            raise invalid(name, rule) from None


class Training:
    """The training of one part."""

    def __init__(self, recipe: Recipe, args: Args, part: Part) -> None:
        config = dataclasses.replace(recipe.config, **part.static)
        self.recipe, self.part = dataclasses.replace(recipe, config=config), part
        own = [floats(dataclasses.replace(config, **x)) for x in part.configurations]
        names = [name for name in own[0] if name in recipe.algorithm.fields]
        agents = Population(part.seeds, {name: [x[name] for x in own] for name in names})
        self.training = prepared.prepare(self.recipe, args, agents, option="max_parallel")

    def run(self, run_dir: Path, quiet: bool, resume: str) -> list[dict[str, Any]]:
        """Trains the part unless its result exists; returns the rows of `results.csv`.

        `resume` is the command that continues the sweep.
        """
        run_dir.mkdir(parents=True, exist_ok=True)
        finished = (run_dir / "result.json").exists()
        # If one of several processes ended before it wrote its result, all of them continue.
        if not all(processes.gather(np.array([finished]))):
            try:
                with signals.ending_at_once(f"stopped. Continue with: {resume}"):
                    self.training.check_memory(quiet)
                self.training.run(run_dir, resume=True, quiet=quiet)
            except RunError as error:
                if error.exit_code != DIVERGED:
                    raise
                # All agents of this part diverged, which is a result; the next part follows.
                if processes.index() == 0:
                    directory.write_json(run_dir / "result.json", {"diverged": str(error)})
                processes.wait()
        log = logs.read(run_dir, len(self.part.seeds))
        steps, diverged = [row["env_steps"] for row in log], logs.diverged(log)
        found = []
        for k, (seed, own) in enumerate(
            zip(self.part.seeds, self.part.configurations, strict=True)
        ):
            returns = [LOWEST if x is None else x for x in (row["eval_return"][k] for row in log)]
            goal = math.inf if self.recipe.solved_at is None else self.recipe.solved_at
            solved = [t for t, x in zip(steps, returns, strict=True) if x >= goal]
            outcome = {
                "seed": seed,
                "final_return": round(returns[-1], 4),
                "best_return": round(max(returns), 4),
                "steps_to_solve": solved[0] if solved else "",
                "diverged": "" if diverged[k] is None else diverged[k],
            }
            found.append(own | outcome)
        return found


def main(args: Args) -> None:
    """Trains all parts, one after another, and ranks the configurations."""
    if args.list_envs:
        return cli.say("\n".join(envs.names()))
    experiment.check_options(args)
    if args.track is not None:
        raise ConfigError("track", args.track, "must not be given for a sweep.")
    if args.max_parallel is not None:
        check_at_least("max_parallel", args.max_parallel, 1)
    configurations = grid.parse(args.sweep, args.draw, args.num_draws, args.draw_seed)
    if args.seeds * len(configurations) > experiment.MOST_AGENTS:
        most = f"{experiment.MOST_AGENTS:,} agents"
        rule = f"times {len(configurations)} configurations must be at most {most}."
        raise ConfigError("seeds", args.seeds, rule)
    experiment.check_last_seed(args.seed, args.seeds * (1 if args.paired else len(configurations)))
    parts = parts_of(args, configurations)
    with signals.ending_at_once():
        hardware.start(args.hardware, *(len(part.seeds) for part in parts))
        recipe, args = experiment.complete(recipes.find(args.env, args.agent), args)
        check_configurations(recipe, args, configurations)
        trainings = [Training(recipe, args, part) for part in parts]
        first, saved_config = processes.index() == 0, experiment.run_config(recipe, args)
        quiet = args.quiet or not first
        experiment.require_usable(args, saved_config)
        if not args.resume:  # The other parts are compiled when it is their turn.
            trainings[0].training.check_memory(quiet)
    run_dir = experiment.create(args, Path("runs/sweep"), saved_config)
    say = (lambda line: None) if quiet else cli.say
    sizes = (len(configurations), "configuration"), (args.seeds, "seed"), (len(parts), "part")
    agents, seeds, programs = (cli.count(number, noun) for number, noun in sizes)
    say(f"Sweep: {agents}, {seeds} each, {programs}.")
    say(f"Run directory: {cli.short(run_dir)}")
    found: list[dict[str, Any]] = []
    with directory.locked(run_dir) if first else contextlib.nullcontext():
        for number, training in enumerate(trainings, start=1):
            static = "".join(f", {name} {x}" for name, x in training.part.static.items())
            say(f"Part {number} of {len(parts)}{static}.")
            for line in training.training.lines:
                say(line)
            try:
                resume = cli.resume_command(run_dir)
                found += training.run(run_dir / "parts" / str(number), quiet, resume)
            except RunError as error:
                if error.run_dir is not None:  # The command resumes the sweep, not the part.
                    error.run_dir = run_dir
                raise
            if first:
                rows.write(run_dir / "results.csv", list(found[0]), found)
        if not first:
            return
        names = list(configurations[0])
        ranked = ranking(found, names, recipe.solved_at)
        title = "Final evaluation return, one line per configuration, best first"
        directory.write_text(run_dir / "ranking.md", markdown.table(title, ranked) + "\n")
        varied = [name for name in names if len({row[name] for row in found}) > 1]
        picture.draw(run_dir / "sweep.png", found, varied, recipe.solved_at)
    say(markdown.table(title, ranked[:SHOWN]))
    say(f"Results: {cli.short(run_dir / 'sweep.png')}, results.csv, ranking.md.")


if __name__ == "__main__":
    cli.main(Args, main)
