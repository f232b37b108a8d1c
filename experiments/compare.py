"""Comparison of the agents on one environment: a table, a picture, and a CSV row per seed.

    python experiments/compare.py --env CartPole-v1 --seeds 10 --seed 600

Each agent uses its recipe, and each seed gives the same numbers as in `train.py`, to the bit on a CPU.
Seeds that the CSV file already holds are not trained again; a training that was stopped continues.
"""

import dataclasses
import functools
import itertools
import json
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
from matplotlib.figure import Figure

from experiments.benchmark import measure
from experiments.results import markdown, rows
from experiments.results.estimates import line
from experiments.results.rows import LOWEST, Row
from jaxdqn import recipes, training
from jaxdqn.config import check_at_least
from jaxdqn.recipes import AGENTS, AgentName, Recipe
from jaxdqn.runs import cli, directory, experiment, platform, plots
from jaxdqn.runs.errors import DIVERGED, Interrupted, RunError

EVAL_EPISODES = experiment.Args.eval_episodes
TIMED_ITERATIONS = 250
FIELDS = ("agent", "seed", "final_return", "best_return")
Returns = list[float | None]
"""One value per seed; None stands for one that is not finite."""


@dataclass(frozen=True)
class Args:
    """Train the agents on the same seeds and compare them."""

    env: str = "CartPole-v1"
    """Environment, by any name that train.py takes."""
    agents: tuple[AgentName, ...] = AGENTS
    """Agents to train and time."""
    steps: int | None = None
    """Environment steps per seed, at most, including those before learning starts; by default those of the recipe."""
    seeds: int = 10
    """Seeds per agent; at least 1."""
    seed: int = 600
    """First seed; the others are the integers after it; at least 0."""
    repeats: int = 5
    """Timings of an update; 0 omits them."""
    out: Path = Path("runs/compare")
    """Directory of agents.csv, agents.png and the run directories."""


def train(recipe: Recipe, seeds: Sequence[int], out: Path) -> list[Row]:
    """One row per seed, with the mean returns of the last and of the best evaluation.

    Consecutive seeds are trained in one run directory in `out`, as by `train.py`; a training that was
    stopped continues there, and one that ended is not repeated.
    """
    found: list[Row] = []
    for _, stretch in itertools.groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        own = [seed for _, seed in stretch]
        for seed, *returns in zip(own, *_returns(recipe, own, out), strict=True):
            cells = recipe.agent_name, str(seed), *map(cell, returns)
            found.append(Row(zip(FIELDS, cells, strict=True)))
    return found


def _returns(recipe: Recipe, seeds: Sequence[int], out: Path) -> tuple[Returns, Returns]:
    """Returns of the last and of the best evaluation of consecutive seeds."""
    args = experiment.Args(steps=recipe.steps, seeds=len(seeds), seed=seeds[0])
    recipe, args = experiment.complete(recipe, args)
    name = recipe.env_name.replace("/", "-").replace(":", "-")
    name += f"-{recipe.agent_name}-{recipe.steps}-{seeds[0]}-{seeds[-1]}"
    run_dir = out / name
    resume = run_dir.exists()
    directory.create(run_dir, out, experiment.run_config(recipe, args), resume)
    path = run_dir / "result.json"
    if not path.exists():
        agents = experiment.population(recipe.config, recipe, seeds)
        try:
            experiment.prepare(recipe, args, agents).run(run_dir, resume, quiet=False)
        except Interrupted as error:
            raise RunError(f"{error} The same command continues.", error.exit_code) from None
        except RunError as error:
            if error.exit_code != DIVERGED:
                raise
            # All seeds diverged, which is a result; the next agent follows.
            none = [None] * len(seeds)
            directory.write_json(path, {"final_return": none, "best_return": none})
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)  # They hold gigabytes of replay.
    result = json.loads(path.read_text())
    return result["final_return"], result["best_return"]


def cell(value: float | None) -> str:
    """A return in a CSV file; one that is not finite counts as the lowest."""
    return f"{LOWEST if value is None else value:.4f}"


def update_ratios(chosen: Mapping[str, Recipe], dqn: Recipe, repeats: int) -> dict[str, float]:
    """Median time of an update, with its part of the rollout, relative to DQN's; measured in turns."""
    calls, updates = {}, {}
    for name, recipe in {"dqn": dqn, **chosen}.items():
        trainer = recipe.trainer()
        run = functools.partial(training.run, trainer, num_iterations=TIMED_ITERATIONS)
        program = jax.jit(run, compiler_options=platform.compiler_options())
        state = jax.jit(trainer.init)(jax.random.key(0))
        calls[name] = functools.partial(program, state)
        _, metrics = calls[name]()
        updates[name] = int(metrics.num_updates[-1])
    seconds = measure.in_turns(calls, repeats)
    each = {name: [s / updates[name] for s in seconds[name]] for name in calls}
    return {
        name: statistics.median(x / dqn for x, dqn in zip(each[name], each["dqn"], strict=True))
        for name in chosen
    }


def summary(
    name: str, found: Sequence[Row], ratios: dict[str, float], solved_at: float | None
) -> Row:
    """The line of an agent in the table."""
    own = [row for row in found if row["agent"] == name]
    final, best = ([float(row[k]) for row in own] for k in ("final_return", "best_return"))
    return {
        "agent": name,
        "final: median (minimum to maximum)": f"{statistics.median(final):.4g} ({min(final):.4g} to {max(final):.4g})",
        **line(final, solved_at),
        "best: median (minimum)": f"{statistics.median(best):.4g} ({min(best):.4g})",
        "time per update, DQN = 1": f"{ratios[name]:.2f}" if name in ratios else "–",
    }


def picture(path: Path, found: Sequence[Row], solved_at: float | None) -> None:
    """Draws the final return of each seed as a dot, and the median of each agent as a bar."""
    names = list(dict.fromkeys(row["agent"] for row in found))
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    for x, name in enumerate(names):
        values = [float(row["final_return"]) for row in found if row["agent"] == name]
        spread = [x + 0.3 * (i / max(len(values) - 1, 1) - 0.5) for i in range(len(values))]
        axes.plot(spread, values, "o", color=plots.FAINT, markersize=4)
        median = statistics.median(values)
        axes.hlines(median, x - 0.3, x + 0.3, color=plots.STRONG, linewidth=2.5)
    if solved_at is not None:
        axes.axhline(solved_at, color=plots.MARK, linewidth=1, zorder=0)
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set(ylabel="final evaluation return, one dot per seed")
    plots.bare(axes)
    figure.savefig(path, dpi=110)


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, prints the table and draws the picture."""
    check_at_least("seeds", args.seeds, 1)
    check_at_least("seed", args.seed, 0)
    check_at_least("repeats", args.repeats, 0)
    if args.steps is not None:
        check_at_least("steps", args.steps, 1)
    platform.configure(platform.cores())
    chosen = {name: recipe(args, name) for name in args.agents}
    plan = {
        name: own.hyperparameters(own.config) | {"steps": own.steps} for name, own in chosen.items()
    }
    rows.create(args.out, {"env": args.env, **plan})
    path, seeds = args.out / "agents.csv", range(args.seed, args.seed + args.seeds)
    for name, own in chosen.items():
        rows.fill(path, FIELDS, {"agent": name}, seeds, functools.partial(train, own, out=args.out))
    found = [
        row
        for row in rows.read(path, FIELDS)
        if row["agent"] in args.agents and int(row["seed"]) in seeds
    ]
    solved_at = next(iter(chosen.values())).solved_at
    ratios = update_ratios(chosen, recipe(args, "dqn"), args.repeats) if args.repeats else {}
    title = f"{args.env}: evaluation return, mean of {EVAL_EPISODES} episodes"
    lines = [summary(name, found, ratios, solved_at) for name in chosen]
    cli.say(markdown.table(title, lines))
    picture(args.out / "agents.png", found, solved_at)


def recipe(args: Args, name: AgentName) -> Recipe:
    """The recipe of an agent, with the steps of the command line."""
    found = recipes.find(args.env, name)
    found = dataclasses.replace(found, steps=args.steps or found.steps)
    found.check(found.config, found.steps)
    return found


if __name__ == "__main__":
    cli.main(Args, main)
