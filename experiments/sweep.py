"""Sweep over hyperparameters: trains every configuration on many seeds, and ranks them.

python experiments/sweep.py --seeds 32 --sweep learning_rate=1e-4:1e-2:log:8 --sweep gamma=0.9,0.99
python experiments/sweep.py --seeds 8 --draw learning_rate=1e-4:1e-2:log --draw gamma=0.9:1 --num-draws 64

Configurations that differ in floats only are trained in one program. Integers determine
shapes and loop lengths, so each combination of them is compiled separately.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from experiments.results import markdown, rows
from experiments.sweeps import grid, picture
from experiments.sweeps.grid import Configuration
from experiments.sweeps.ranking import ranking
from jaxdqn.config import Config, ConfigError, check, check_at_least, floats
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, directory, experiment, hardware, logs, loop, processes
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.hardware import Hardware
from jaxdqn.training import Trainer, session
from jaxdqn.training.population import Hyperparameters, Population

SHOWN = 20
"""Configurations in the ranking on the terminal."""
MAX_AGENTS = 10_000_000
"""Upper limit of the agents of a sweep."""


@dataclass(frozen=True)
class Args:
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
    paired: bool = False
    """Use the same seeds for every configuration."""
    max_parallel: int | None = None
    """Agents trained at the same time; by default all with the same integers; at least 1."""
    steps: int = 50_000
    """Environment steps per agent, at most, including those before learning starts."""
    agent: classic.AgentName = "dqn"
    """Algorithm; see jaxdqn/agents/."""
    config: Config = field(default_factory=Config)
    eval_interval: int = 5_000
    """Environment steps between two evaluations; at least one iteration."""
    eval_episodes: int = 100
    """Episodes per evaluation, played greedily; at least 1."""
    checkpoint_interval: int = 2
    """Evaluations between two checkpoints; at least 1; the end is always saved."""
    run_dir: Path | None = None
    """Directory of the sweep, new or empty; by default a new one under runs/sweep/."""
    resume: bool = False
    """Continue the sweep in --run-dir."""
    quiet: bool = False
    """Print nothing but errors."""
    hardware: Annotated[Hardware, tyro.conf.arg(name="")] = field(default_factory=Hardware)


@dataclass(frozen=True)
class Part:
    """Agents that are trained in one program and one run directory."""

    integers: dict[str, int]
    seeds: list[int]
    configurations: list[Configuration]
    """One for each seed."""


def parts_of(args: Args, configurations: Sequence[Configuration]) -> list[Part]:
    """All configurations on all seeds, grouped by their integers, with at most `max_parallel` agents each."""
    parts = []
    for integers, indices in grid.group(configurations):
        pairs = [
            (args.seed + k + (0 if args.paired else index * args.seeds), configurations[index])
            for index in indices
            for k in range(args.seeds)
        ]
        size = args.max_parallel or len(pairs)
        for first in range(0, len(pairs), size):
            seeds, own = zip(*pairs[first : first + size], strict=True)
            parts.append(Part(integers, list(seeds), list(own)))
    return parts


def check_configurations(args: Args, configurations: Sequence[Configuration]) -> None:
    """Raises `ConfigError`, for the option that caused it, if a configuration is invalid."""
    check(args.config, args.steps)
    words = {word.split("=")[0].replace("-", "_"): word for word in args.sweep + args.draw}

    def invalid(name: str, rule: str) -> ConfigError:
        return ConfigError("sweep" if words[name] in args.sweep else "draw", words[name], rule)

    for name in words:
        if name in classic.unused_hyperparameters(args.agent):
            raise invalid(name, f"must not name a hyperparameter that {args.agent} does not use.")
    for configuration in configurations:
        try:
            check(dataclasses.replace(args.config, **configuration), args.steps)
        except ConfigError as error:
            # The rule may refer to another hyperparameter than the one that was swept.
            named = [error.option, *(name for name in words if name in error.rule), *words]
            name = next(name for name in named if name in words)
            rule = f"gives an invalid configuration: {error.option} ({error.value}) {error.rule}"
            raise invalid(name, rule) from None


class Training:
    """The training of one part."""

    def __init__(self, args: Args, part: Part) -> None:
        config = dataclasses.replace(args.config, **part.integers)
        agent = classic.make_agent(args.agent)
        self.part = part
        self.evaluate = classic.make_evaluate(agent, args.eval_episodes)
        self.layout = hardware.layout(args.hardware, len(part.seeds))
        own = [floats(dataclasses.replace(config, **x)) for x in part.configurations]
        agents = Population(part.seeds, {name: [x[name] for x in own] for name in own[0]})

        def make_trainer(hyperparameters: Hyperparameters) -> Trainer:
            changed = dataclasses.replace(config, **hyperparameters)
            shards = self.layout.data_shards
            return classic.make_trainer(args.agent, changed, agent, args.steps, shards)

        self.make_trainer, first = make_trainer, make_trainer(agents.one(0))
        self.plan = loop.Plan(
            agents,
            args.steps,
            first.learning_starts,
            first.iteration_steps,
            args.eval_interval,
            args.checkpoint_interval,
        )
        loop.check(self.plan)
        self.lines = hardware.plan(
            agents,
            self.layout,
            lambda key, values: session.init(key, make_trainer(values)),
            option="max_parallel",
        )

    def run(self, run_dir: Path, quiet: bool) -> list[dict[str, Any]]:
        """Trains the part unless its result exists; returns the rows of `results.csv`."""
        run_dir.mkdir(parents=True, exist_ok=True)
        finished = (run_dir / "result.json").exists()
        # If one of several processes ended before it wrote its result, all of them continue.
        if not all(processes.gather(np.array([finished]))):
            inputs = self.make_trainer, self.evaluate, self.plan, self.layout, run_dir
            try:
                loop.train(*inputs, resume=True, quiet=quiet)
            except RunError as error:
                if error.exit_code != DIVERGED:
                    raise
                # All agents of this part diverged, which is a result; the next part follows.
                directory.write_json(run_dir / "result.json", {"diverged": str(error)})
        log = logs.read(run_dir, len(self.part.seeds))
        steps, diverged = [row["env_steps"] for row in log], logs.diverged(log)
        found = []
        for k, (seed, own) in enumerate(
            zip(self.part.seeds, self.part.configurations, strict=True)
        ):
            returns = [row["eval_return"][k] for row in log]
            solved = [t for t, x in zip(steps, returns, strict=True) if x >= classic.SOLVED]
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
    for name in ("seeds", "eval_episodes", "eval_interval", "checkpoint_interval", "max_parallel"):
        if getattr(args, name) is not None:
            check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    configurations = grid.parse(args.sweep, args.draw, args.num_draws, args.draw_seed)
    if args.seeds * len(configurations) > MAX_AGENTS:
        rule = f"times {len(configurations)} configurations must be at most {MAX_AGENTS:,} agents."
        raise ConfigError("seeds", args.seeds, rule)
    last = args.seed + args.seeds * (1 if args.paired else len(configurations)) - 1
    if last >= 2**31:
        rule = f"must be small enough that the last seed ({last}) is below 2147483648."
        raise ConfigError("seed", args.seed, rule)
    check_configurations(args, configurations)
    parts = parts_of(args, configurations)
    hardware.start(args.hardware, *(len(part.seeds) for part in parts))
    trainings = [Training(args, part) for part in parts]
    run_dir, saved_config = processes.own_directory(args.run_dir), experiment.run_config(args)
    processes.require_same(saved_config)
    run_dir = directory.create(run_dir, Path("runs/sweep"), saved_config, args.resume)
    quiet = args.quiet or processes.index() > 0
    say = (lambda line: None) if quiet else cli.say
    say(
        f"Sweep: {len(configurations)} configurations, {args.seeds} seeds each, {len(parts)} parts."
    )
    say(f"Run directory: {run_dir}")
    found: list[dict[str, Any]] = []
    with directory.locked(run_dir):
        for number, training in enumerate(trainings, start=1):
            integers = "".join(f", {name} {x}" for name, x in training.part.integers.items())
            say(f"Part {number} of {len(parts)}{integers}.")
            for line in training.lines:
                say(line)
            try:
                found += training.run(run_dir / "parts" / str(number), quiet)
            except RunError as error:
                if error.run_dir is not None:  # The command resumes the sweep, not the part.
                    error.run_dir = processes.shared_directory(run_dir)
                raise
            rows.write(run_dir / "results.csv", list(found[0]), found)
        names = list(configurations[0])
        ranked = ranking(found, names)
        title = "Final evaluation return, one line per configuration, best first"
        directory.write_text(run_dir / "ranking.md", markdown.table(title, ranked) + "\n")
        varied = [name for name in names if len({row[name] for row in found}) > 1]
        picture.draw(run_dir / "sweep.png", found, varied)
    say(markdown.table(title, ranked[:SHOWN]))
    files = (run_dir / name for name in ("sweep.png", "results.csv", "ranking.md"))
    say(f"Results: {', '.join(map(str, files))}.")


if __name__ == "__main__":
    cli.main(Args, main)
