"""Comparison of the agents on one environment: a table, a picture, and a CSV row per seed.

    python experiments/compare.py --env CartPole-v1 --seeds 10 --seed 600

Each agent uses its recipe. Seeds that the CSV file already holds are not trained again.
"""

import dataclasses
import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
from matplotlib.figure import Figure

from experiments.benchmark import measure
from experiments.results import markdown, rows
from experiments.results.estimates import line
from experiments.results.rows import Row
from jaxdqn import recipes, training
from jaxdqn.config import check_at_least
from jaxdqn.recipes import AGENTS, AgentName, Recipe
from jaxdqn.runs import cli, platform, plots
from jaxdqn.training import population, session

EVAL_EPISODES = 100
TIMED_ITERATIONS = 250
FIELDS = ("agent", "seed", "final_return", "best_return")


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
    """Directory of agents.csv and agents.png."""


def train(recipe: Recipe, seeds: Sequence[int]) -> list[Row]:
    """One row per seed, with the mean returns of the last and of the best evaluation."""
    trainer, evaluate = recipe.trainer(), recipe.evaluate(EVAL_EPISODES)
    iterations = (recipe.steps - trainer.learning_starts) // trainer.iteration_steps
    length = max(recipe.eval_interval // trainer.iteration_steps, 1)

    def whole(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        end, returns = session.train(key, trainer, evaluate, iterations, length)
        return returns[-1], end.best_return

    layout = population.layout(len(seeds))
    final, best = jax.jit(population.each(whole, layout))(population.keys(seeds))
    return [
        dict(zip(FIELDS, (recipe.agent_name, str(seed), f"{f:.4f}", f"{b:.4f}"), strict=True))
        for seed, f, b in zip(seeds, final.tolist(), best.tolist(), strict=True)
    ]


def update_ratios(chosen: Mapping[str, Recipe], dqn: Recipe, repeats: int) -> dict[str, float]:
    """Median time of an update, with its part of the rollout, relative to DQN's; measured in turns."""
    calls, updates = {}, {}
    for name, recipe in {"dqn": dqn, **chosen}.items():
        trainer = recipe.trainer()
        program = jax.jit(functools.partial(training.run, trainer, num_iterations=TIMED_ITERATIONS))
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
        rows.fill(path, FIELDS, {"agent": name}, seeds, functools.partial(train, own))
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
