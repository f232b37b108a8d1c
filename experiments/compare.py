"""How do the members of the family do on CartPole? A table, a picture, every seed in a CSV.

    python experiments/family.py --seeds 10 --seed 600

One member after another; those already in the CSV are not trained again. All share
the numbers of `cartpole.py`, which were chosen for plain DQN alone.
"""

import csv
import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.results.estimates import SOLVED, solved
from jaxdqn.config import Config, check, check_at_least
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, experiment

EVAL_INTERVAL = 1_000
TIMED_ITERATIONS = 250
FIELDS: tuple[str, ...] = ("agent", "seed", "final_return", "best_return")


@dataclass(frozen=True)
class Args:
    """Trains the members of the family and compares them."""

    agents: tuple[classic.AgentName, ...] = classic.AGENTS
    """Members to train and time."""
    steps: int = 50_000
    """World steps of each seed."""
    seeds: int = 10
    """Seeds of each member."""
    seed: int = 600
    """The first of them."""
    repeats: int = 5
    """Times that an update is timed; 0 leaves it out."""
    out: Path = Path("runs/family")
    """Directory of family.csv and family.png."""


def make(name: str, steps: int):
    """Trainer and agent of the member called `name`."""
    agent = classic.make_agent(name)
    return experiment.make_trainer(name, Config(), agent, steps), agent


def train(name: str, steps: int, seeds: Sequence[int]) -> list[dict[str, object]]:
    """A row a seed: mean of the last evaluation, and of the best."""
    import jax

    from jaxdqn.training import population, session

    trainer, agent = make(name, steps)
    iterations = (steps - trainer.learning_starts) // trainer.iteration_steps
    length = EVAL_INTERVAL // trainer.iteration_steps
    evaluate = experiment.make_evaluate(agent, num_episodes=100)

    def whole(key):
        end, returns = session.train(key, trainer, evaluate, iterations, length)
        return returns[-1], end.best_return

    layout = population.layout(len(seeds))
    final, best = jax.jit(population.each(whole, layout))(population.keys(seeds))
    return [
        dict(zip(FIELDS, (name, seed, f"{float(f):.2f}", f"{float(b):.2f}"), strict=True))
        for seed, f, b in zip(seeds, final, best, strict=True)
    ]


def update_ratios(names: Sequence[str], steps: int, repeats: int) -> dict[str, float]:
    """Time of an update, its share of the rollout included, relative to DQN's: medians, in turns."""
    import jax

    from experiments.benchmark import measure
    from jaxdqn import training

    calls, updates = {}, {}
    for name in dict.fromkeys(("dqn", *names)):
        trainer, _ = make(name, steps)
        program = jax.jit(functools.partial(training.run, trainer, num_iterations=TIMED_ITERATIONS))
        state = jax.jit(trainer.init)(jax.random.key(0))
        calls[name] = functools.partial(program, state)
        _, metrics = calls[name]()
        updates[name] = int(metrics.num_updates[-1])
    seconds = measure.in_turns(calls, repeats)
    each = {name: [s / updates[name] for s in seconds[name]] for name in calls}
    return {
        name: statistics.median(
            mine / dqn for mine, dqn in zip(each[name], each["dqn"], strict=True)
        )
        for name in names
    }


def summary(name: str, rows: Sequence[dict[str, str]], ratios: dict[str, float]) -> dict[str, str]:
    """The line of a member in the table."""
    mine = [row for row in rows if row["agent"] == name]
    final, best = (sorted(float(row[k]) for row in mine) for k in ("final_return", "best_return"))
    return {
        "agent": name,
        "final: median (least to most)": f"{statistics.median(final):.0f} ({final[0]:.0f} to {final[-1]:.0f})",
        "best: median (least)": f"{statistics.median(best):.0f} ({best[0]:.0f})",
        "≥ 400": f"{sum(value >= 400 for value in final)} of {len(final)}",
        "≥ 475": solved(final),
        "update, DQN = 1": f"{ratios[name]:.2f}" if name in ratios else "–",
    }


def picture(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """A dot a seed, at its final return; the median a bar."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["agent"] for row in rows))
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    for x, name in enumerate(names):
        values = [float(row["final_return"]) for row in rows if row["agent"] == name]
        spread = [x + 0.3 * (i / max(len(values) - 1, 1) - 0.5) for i in range(len(values))]
        axes.plot(spread, values, "o", color="#9aa5b1", markersize=4)
        axes.hlines(statistics.median(values), x - 0.3, x + 0.3, color="#c2410c", linewidth=2.5)
    axes.axhline(SOLVED, color="#c9c3b8", linewidth=1, zorder=0)
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set(ylabel="final greedy return, a dot a seed", ylim=(0, 515))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(args: Args) -> None:
    """Trains what the CSV does not hold, then prints the table and draws the picture."""
    check(Config(), args.steps)
    check_at_least("seeds", args.seeds, 1)
    check_at_least("seed", args.seed, 0)
    check_at_least("repeats", args.repeats, 0)
    from experiments.benchmark import measure
    from jaxdqn.runs import platform

    platform.configure(platform.cores())
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "family.csv"
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    wanted = range(args.seed, args.seed + args.seeds)
    for name in args.agents:
        done = {int(row["seed"]) for row in rows if row["agent"] == name}
        missing = [seed for seed in wanted if seed not in done]
        if missing:
            new = train(name, args.steps, missing)
            rows.extend(new)
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerows(new)
            cli.say(f"{name}: {', '.join(str(row['final_return']) for row in new)}")
    rows = [row for row in rows if row["agent"] in args.agents and int(row["seed"]) in wanted]
    ratios = update_ratios(args.agents, args.steps, args.repeats) if args.repeats else {}
    text = markdown.table(
        "Greedy return, mean of 100 episodes", [summary(n, rows, ratios) for n in args.agents]
    )
    cli.say(text)
    picture(args.out / "family.png", rows)


if __name__ == "__main__":
    cli.main(Args, main)
