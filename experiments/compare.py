"""Comparison of the agents on CartPole: a table, a picture, and a CSV row per seed.

    python experiments/compare.py --seeds 10 --seed 600

All agents use the hyperparameters of `cartpole.py`, which were chosen for plain DQN. Seeds
that the CSV file already holds are not trained again.
"""

import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
from matplotlib.figure import Figure

from experiments.benchmark import measure
from experiments.results import markdown, rows
from experiments.results.estimates import solved
from experiments.results.rows import Row
from jaxdqn import training
from jaxdqn.agents import Agent
from jaxdqn.config import Config, check, check_at_least
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, platform, plots
from jaxdqn.training import Trainer, population, session

EVAL_INTERVAL = 1_000
TIMED_ITERATIONS = 250
FIELDS = ("agent", "seed", "final_return", "best_return")


@dataclass(frozen=True)
class Args:
    """Train the agents on the same seeds and compare them."""

    agents: tuple[classic.AgentName, ...] = classic.AGENTS
    """Agents to train and time."""
    steps: int = 50_000
    """Environment steps per seed, at most, including those before learning starts."""
    seeds: int = 10
    """Seeds per agent; at least 1."""
    seed: int = 600
    """First seed; the others are the integers after it; at least 0."""
    repeats: int = 5
    """Timings of an update; 0 omits them."""
    out: Path = Path("runs/compare")
    """Directory of agents.csv and agents.png."""


def make(name: classic.AgentName, steps: int) -> tuple[Trainer, Agent]:
    """The trainer and the agent `name`."""
    agent = classic.make_agent(name)
    return classic.make_trainer(name, Config(), agent, steps), agent


def train(name: classic.AgentName, steps: int, seeds: Sequence[int]) -> list[Row]:
    """One row per seed, with the mean returns of the last and of the best evaluation."""
    trainer, agent = make(name, steps)
    iterations = (steps - trainer.learning_starts) // trainer.iteration_steps
    length = EVAL_INTERVAL // trainer.iteration_steps
    evaluate = classic.make_evaluate(agent, num_episodes=100)

    def whole(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        end, returns = session.train(key, trainer, evaluate, iterations, length)
        return returns[-1], end.best_return

    layout = population.layout(len(seeds))
    final, best = jax.jit(population.each(whole, layout))(population.keys(seeds))
    return [
        dict(zip(FIELDS, (name, str(seed), f"{float(f):.2f}", f"{float(b):.2f}"), strict=True))
        for seed, f, b in zip(seeds, final, best, strict=True)
    ]


def update_ratios(names: Sequence[classic.AgentName], steps: int, repeats: int) -> dict[str, float]:
    """Median time of an update, with its part of the rollout, relative to DQN's; measured in turns."""
    calls, updates = {}, {}
    everyone: tuple[classic.AgentName, ...] = ("dqn", *names)
    for name in dict.fromkeys(everyone):
        trainer, _ = make(name, steps)
        program = jax.jit(functools.partial(training.run, trainer, num_iterations=TIMED_ITERATIONS))
        state = jax.jit(trainer.init)(jax.random.key(0))
        calls[name] = functools.partial(program, state)
        _, metrics = calls[name]()
        updates[name] = int(metrics.num_updates[-1])
    seconds = measure.in_turns(calls, repeats)
    each = {name: [s / updates[name] for s in seconds[name]] for name in calls}
    return {
        name: statistics.median(x / dqn for x, dqn in zip(each[name], each["dqn"], strict=True))
        for name in names
    }


def summary(name: str, found: Sequence[Row], ratios: dict[str, float]) -> Row:
    """The line of an agent in the table."""
    own = [row for row in found if row["agent"] == name]
    final, best = (sorted(float(row[k]) for row in own) for k in ("final_return", "best_return"))
    return {
        "agent": name,
        "final: median (minimum to maximum)": f"{statistics.median(final):.0f} ({final[0]:.0f} to {final[-1]:.0f})",
        "best: median (minimum)": f"{statistics.median(best):.0f} ({best[0]:.0f})",
        "≥ 400": f"{sum(value >= 400 for value in final)} of {len(final)}",
        f"≥ {classic.SOLVED:g}": solved(final),
        "time per update, DQN = 1": f"{ratios[name]:.2f}" if name in ratios else "–",
    }


def picture(path: Path, found: Sequence[Row]) -> None:
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
    axes.axhline(classic.SOLVED, color=plots.MARK, linewidth=1, zorder=0)
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set(ylabel="final evaluation return, one dot per seed", ylim=(0, 515))
    plots.bare(axes)
    figure.savefig(path, dpi=110)


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, prints the table and draws the picture."""
    check(Config(), args.steps)
    check_at_least("seeds", args.seeds, 1)
    check_at_least("seed", args.seed, 0)
    check_at_least("repeats", args.repeats, 0)
    platform.configure(platform.cores())
    args.out.mkdir(parents=True, exist_ok=True)
    path, seeds = args.out / "agents.csv", range(args.seed, args.seed + args.seeds)
    for name in args.agents:
        rows.fill(
            path,
            FIELDS,
            {"agent": name},
            seeds,
            lambda missing, name=name: train(name, args.steps, missing),
        )
    found = [
        row
        for row in rows.read(path, FIELDS)
        if row["agent"] in args.agents and int(row["seed"]) in seeds
    ]
    ratios = update_ratios(args.agents, args.steps, args.repeats) if args.repeats else {}
    title = "Evaluation return, mean of 100 episodes"
    cli.say(markdown.table(title, [summary(name, found, ratios) for name in args.agents]))
    picture(args.out / "agents.png", found)


if __name__ == "__main__":
    cli.main(Args, main)
