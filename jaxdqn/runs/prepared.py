"""A population of agents with one recipe: its programs, its memory, its training into a run directory."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxdqn.config import ConfigError, floats
from jaxdqn.recipes import Recipe
from jaxdqn.runs import compilation, hardware, logs, loop, plots, saved
from jaxdqn.runs.plan import Plan
from jaxdqn.training import session
from jaxdqn.training.population import Hyperparameters, Layout, Population
from jaxdqn.training.session import Evaluate
from jaxdqn.training.trainer import Trainer


def population(recipe: Recipe, seeds: Sequence[int]) -> Population:
    """Agents that differ in their seeds only. The floats of the config are inputs of the program."""
    own = {name: x for name, x in floats(recipe.config).items() if name in recipe.algorithm.fields}
    return Population(seeds, {name: [x] * len(seeds) for name, x in own.items()})


@dataclass(frozen=True)
class Training:
    """A population of agents with one recipe, ready to be trained."""

    recipe: Recipe
    make_trainer: Callable[[Hyperparameters], Trainer]
    evaluate: Evaluate
    plan: Plan
    layout: Layout
    lines: list[str]
    """What will be trained on which devices, and the memory that it takes."""
    eval_episodes: int

    @functools.cached_property
    def programs(self) -> compilation.Programs:
        """The compiled programs."""
        return compilation.compile_programs(
            self.make_trainer, self.evaluate, self.plan, self.layout
        )

    def check_memory(self, quiet: bool) -> None:
        """Raises `ConfigError`, for the option with the largest part, if the programs exceed the free memory."""
        if not quiet:
            compilation.announce()
        programs = [self.programs.start, *self.programs.chunks.values()]
        needed, free = hardware.program_bytes(programs, self.layout)
        if needed <= free:
            return
        config, read = self.recipe.config, self.recipe.algorithm.fields
        sizes = {"num_envs": config.num_envs * config.num_steps}
        if "batch_size" in read:
            sizes["batch_size"] = config.batch_size * config.n_step
        option = max(sizes, key=lambda name: sizes[name])
        value = getattr(config, option)
        if self.eval_episodes > sizes[option]:
            option, value = "eval_episodes", self.eval_episodes
        rule = f"must be smaller: training takes {hardware.shown(needed)} per device, {hardware.shown(free)} are free."
        raise ConfigError(option, value, rule)

    def run(
        self,
        run_dir: Path,
        resume: bool,
        quiet: bool,
        on_evaluation: Sequence[Callable[[logs.Row], None]] = (),
    ) -> tuple[loop.Result, loop.Policies]:
        """Trains all agents into `run_dir` and saves their policies."""
        network = saved.network(self.recipe)
        save = functools.partial(saved.save, network, run_dir)
        snapshot = functools.partial(saved.save_snapshot, network, run_dir)
        recipe, seeds = self.recipe, self.plan.agents.seeds
        shown = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds):,} seeds"
        title = f"{recipe.env_name}, {recipe.agent_name}, {shown}"
        draw_curve = functools.partial(plots.curve, title=title, solved_at=recipe.solved_at)
        inputs = self.make_trainer, self.evaluate, self.plan, self.layout, run_dir
        hooks = save, snapshot, on_evaluation, draw_curve
        return loop.train(*inputs, resume, quiet, *hooks, self.programs)


def prepare(recipe: Recipe, args: Any, agents: Population, option: str = "seeds") -> Training:
    """The training of `agents`; `args` must be complete.

    Raises `ConfigError` if lengths, devices or memory do not fit, naming `option` for the number of
    agents.
    """
    layout = hardware.layout(args.hardware, len(agents))

    def make_trainer(hyperparameters: Hyperparameters) -> Trainer:
        own = dataclasses.replace(recipe.config, **hyperparameters)
        return recipe.trainer(own, args.steps)

    trainer = make_trainer(agents.one(0))
    plan = Plan(
        agents,
        args.steps,
        trainer.learning_starts,
        trainer.iteration_steps,
        args.eval_interval,
        args.checkpoint_interval,
    )
    plan.check()
    lines = hardware.plan(
        agents, layout, lambda key, own: session.init(key, make_trainer(own)), option
    )
    evaluate = recipe.evaluate(args.eval_episodes)
    return Training(recipe, make_trainer, evaluate, plan, layout, lines, args.eval_episodes)
