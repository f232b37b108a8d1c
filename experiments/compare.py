"""Comparison of the agents on one environment: a table, learning curves, and a CSV row per seed.

    python experiments/compare.py --env CartPole-v1 --seeds 10 --seed 600

Each agent uses its recipe, and each seed gives the same numbers as in `train.py`, to the bit on a CPU.
Seeds that the CSV file already holds are not trained again; a training that was stopped continues.
"""

import dataclasses
import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.benchmark import measure
from experiments.results import markdown, trainings
from experiments.results.estimates import line
from experiments.results.rows import Row
from jaxdqn import recipes, training
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.recipes import AGENTS, AgentName, Recipe
from jaxdqn.runs import cli, experiment, platform, plots

EVAL_EPISODES = experiment.Args.eval_episodes
TIMED_ITERATIONS = 250


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


def check_agents(agents: Sequence[str]) -> None:
    """Raises `ConfigError` if there is none."""
    if not agents:
        raise ConfigError("agents", "", "must name at least one agent.")


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


def summary(name: str, found: Sequence[Row], solved_at: float | None) -> Row:
    """The line of an agent in the table."""
    own = [row for row in found if row["agent"] == name]
    final, best = ([float(row[k]) for row in own] for k in ("final_return", "best_return"))
    return {
        "agent": name,
        "seeds": str(len(own)),
        "final: median (minimum to maximum)": f"{statistics.median(final):.4g} ({min(final):.4g} to {max(final):.4g})",
        **line(final, solved_at),
        "best: median (minimum)": f"{statistics.median(best):.4g} ({min(best):.4g})",
    }


def seconds(name: str, found: Sequence[Row]) -> str:
    """Median of the seconds per seed of an agent, on the hardware of its rows; `–` if no row has them."""
    own = [row for row in found if row["agent"] == name and row["seconds"]]
    if not own:
        return "–"
    machines = ", ".join(sorted({row["hardware"] for row in own}))
    return f"{statistics.median(float(row['seconds']) for row in own):.3g} ({machines})"


def picture(path: Path, env_name: str, found: Sequence[Row], solved_at: float | None) -> None:
    """Draws the median learning curve of each agent; if there are several, also the mean of the curve of each seed.

    The mean measures the speed of learning: final returns are the same for all agents that solve
    the environment.
    """
    names = list(dict.fromkeys(row["agent"] for row in found))
    columns = 2 if len(names) > 1 else 1
    figure = Figure(figsize=(5.5 * columns, 4), layout="constrained")
    curves, *others = figure.subplots(1, columns, squeeze=False)[0]
    for x, name in enumerate(names):
        own, color = [row for row in found if row["agent"] == name], f"C{x % 10}"
        style = "-" if x < 10 else "--"
        drawn = [trainings.curve_of(row) for row in own if row["curve"]]
        if not drawn:
            continue
        # Curves with other intervals between the evaluations are interpolated.
        steps = np.unique(np.concatenate([own_steps for own_steps, _ in drawn]))
        returns = np.array([np.interp(steps, *curve) for curve in drawn])
        curves.plot(steps, np.median(returns, axis=0), style, color=color, label=name)
        low, high = np.quantile(returns, (0.1, 0.9), axis=0)
        curves.fill_between(steps, low, high, color=color, alpha=0.1, linewidth=0)
        means = returns.mean(axis=1)
        spread = x + 0.3 * (np.arange(len(means)) / max(len(means) - 1, 1) - 0.5)
        for speeds in others:
            speeds.plot(spread, means, "o", color=color, markersize=4, alpha=0.6)
            speeds.hlines(np.median(means), x - 0.3, x + 0.3, color=color, linewidth=2.5)
    if solved_at is not None:
        curves.axhline(solved_at, color=plots.MARK, linewidth=1, linestyle="--", zorder=0)
    for axes in (curves, *others):
        axes.grid(alpha=0.25)
        plots.bare(axes)
    curves.legend(frameon=False, fontsize=8, ncols=2)
    seeds = len({row["seed"] for row in found})
    title = f"{env_name}: median and 10–90 % of {seeds} seeds" if seeds > 1 else env_name
    curves.set_ylabel("evaluation return")
    plots.against_steps(curves)
    curves.set_title(title, fontsize=10)
    for speeds in others:
        speeds.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        speeds.set(title="speed of learning: mean of the curve, one dot per seed")
    plots.save(figure, path)


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, prints the table and draws the picture."""
    check_at_least("seeds", args.seeds, 1)
    check_at_least("seed", args.seed, 0)
    experiment.check_last_seed(args.seed, args.seeds)
    check_agents(args.agents)
    check_at_least("repeats", args.repeats, 0)
    if args.steps is not None:
        check_at_least("steps", args.steps, 1)
    platform.configure(platform.cores())
    chosen = {name: recipe(args.env, name, args.steps) for name in args.agents}
    path, seeds = args.out / "agents.csv", range(args.seed, args.seed + args.seeds)
    for own in chosen.values():
        trainings.check(path, own, option="out")
    args.out.mkdir(parents=True, exist_ok=True)
    found = [row for own in chosen.values() for row in trainings.fill(path, own, seeds, args.out)]
    solved_at, dqn = next(iter(chosen.values())).solved_at, recipe(args.env, "dqn", args.steps)
    ratios = update_ratios(chosen, dqn, args.repeats) if args.repeats else {}
    lines = [
        summary(name, found, solved_at)
        | {"time per update, DQN = 1": f"{ratios[name]:.2f}" if name in ratios else "–"}
        for name in chosen
    ]
    title = f"{args.env}: evaluation return, mean of {EVAL_EPISODES} episodes"
    cli.say(markdown.table(title, lines))
    picture(args.out / "agents.png", args.env, found, solved_at)


def recipe(env_name: str, agent: AgentName, steps: int | None) -> Recipe:
    """The recipe of an agent, with the steps of the command line."""
    found = recipes.find(env_name, agent)
    found = dataclasses.replace(found, steps=steps or found.steps)
    found.check(found.config, found.steps)
    return found


if __name__ == "__main__":
    cli.main(Args, main)
