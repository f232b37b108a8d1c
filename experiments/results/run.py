"""What does the default reach, on seeds that nobody chose it by? Soon, late, and in worlds it has not seen.

    python experiments/record.py
    python experiments/record.py --budgets 15k 20k-eight --seed 1300

Each seed is the one that `cartpole.py` trains with the same options, to the bit on a CPU;
what counts is the greedy play of the last network. Goes on with the seeds that
its CSV does not hold.
"""

import dataclasses
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from experiments.results import rows
from experiments.results.estimates import SOLVED, line
from experiments.results.rows import Row
from jaxdqn.config import Config, ConfigError, check_at_least
from jaxdqn.runs import cli

BudgetName = Literal["50k", "20k", "12k", "500k", "15k", "20k-eight"]
BUDGETS = get_args(BudgetName)
EVAL_INTERVAL, EVAL_EPISODES = 1_000, 100
"""As `cartpole.py` has them."""
GROUP = 60
"""Seeds of one call, after which they are written down."""
FIELDS: Sequence[str] = ("budget", "seed", "world", "mean_return")
FINAL, BEST = "as trained", "as trained, best of the run"


class Budget(NamedTuple):
    """How long is trained, and by which numbers."""

    steps: int
    config: Config
    share: int = 1
    """One seed in so many is trained, the first of them."""
    elsewhere: bool = False
    """Whether the last network is played in other worlds too."""


@dataclass(frozen=True)
class Args:
    """Trains the default on untouched seeds, plays its last networks, prints how many are solved."""

    budgets: tuple[BudgetName, ...] = ("50k", "20k", "12k", "500k")
    """World steps of each seed. At 500k a third of the seeds; at 12k, 15k, 20k-eight eight updates an iteration."""
    seeds: int = 300
    """Seeds of each budget."""
    seed: int = 1_000
    """The first of them."""
    out: Path = Path("runs/record")
    """Directory of record.csv."""


def budget(name: str) -> Budget:
    """That called `name`: the default, or as many updates as steps."""
    eight = Config(n_step=2, num_updates=8, learning_starts=504, target_period=16)
    return {
        "50k": Budget(50_000, Config(), elsewhere=True),
        "20k": Budget(20_000, Config()),
        "12k": Budget(12_000, eight),
        "500k": Budget(500_000, Config(), share=3),
        "15k": Budget(15_000, eight),
        "20k-eight": Budget(20_000, eight),
    }[name]


def train(chosen: Budget, seeds: Sequence[int]):
    """Greedy returns `[S, chunks]` after each chunk, and at the end those of other worlds, name -> `[S]`."""
    import jax

    from experiments.results import variants
    from jaxdqn import evaluation, policies
    from jaxdqn.recipes import classic
    from jaxdqn.runs import experiment, platform
    from jaxdqn.training import population, session

    agent = classic.make_agent("dqn")
    trainer = experiment.make_trainer("dqn", chosen.config, agent, chosen.steps)
    policy = policies.greedy(agent.q_values)
    iterations = (chosen.steps - trainer.learning_starts) // trainer.iteration_steps
    length = EVAL_INTERVAL // trainer.iteration_steps
    evaluate = experiment.make_evaluate(agent, EVAL_EPISODES)
    elsewhere = (
        {name: make(EVAL_EPISODES) for name, make in variants.WORLDS.items()}
        if chosen.elsewhere
        else {}
    )

    def member(key):
        end, greedy = session.train(key, trainer, evaluate, iterations, length)
        params = trainer.params(end.state)
        play = functools.partial(evaluation.evaluate, params=params, policy=policy)
        # Evaluations have this key folded with their world steps, at least those of the warm-up.
        keys = jax.random.split(jax.random.fold_in(end.evaluation_key, 0), len(variants.WORLDS))
        played = zip(elsewhere.items(), keys, strict=False)
        return greedy, {name: play(k, env=env).mean() for (name, env), k in played}

    program = population.each(member, population.layout(len(seeds)))
    compiled = jax.jit(program, compiler_options=platform.compiler_options())
    return jax.device_get(compiled(population.keys(seeds)))


def rows_of(name: str, seeds: Sequence[int]) -> list[Row]:
    """Lines of the CSV of some seeds of a budget."""
    greedy, elsewhere = train(budget(name), seeds)
    played = {FINAL: greedy[:, -1], BEST: greedy.max(axis=1), **elsewhere}
    return [
        dict(zip(FIELDS, (name, str(seed), world, f"{values[i]:.4f}"), strict=True))
        for i, seed in enumerate(seeds)
        for world, values in played.items()
    ]


def values(found: Sequence[Row], name: str, world: str) -> list[float]:
    """Mean returns, one a seed."""
    wanted = (name, world)
    return [float(row["mean_return"]) for row in found if (row["budget"], row["world"]) == wanted]


def budget_line(found: Sequence[Row], name: str) -> Row:
    """A budget in the table."""
    final, best = values(found, name, FINAL), values(found, name, BEST)
    lost = sum(b >= SOLVED > f for f, b in zip(final, best, strict=True))
    return {
        "budget": name,
        "world steps": f"{budget(name).steps:,}",
        **line(final),
        "exactly 500": f"{sum(x == 500 for x in final)}",
        "worst": ", ".join(f"{x:.1f}" for x in sorted(final)[:3]),
        "solved once, not at the end": f"{lost}",
    }


def world_line(found: Sequence[Row], world: str) -> Row:
    """A world in the table: what the 50,000 steps are good for there."""
    from experiments.results.variants import LONG, WORLDS

    mark = 0.95 * LONG if world == next(iter(WORLDS)) else SOLVED
    cells = line(values(found, "50k", world), mark)
    reached = cells.pop(f"≥ {mark:g}")
    return {"world": world, "seeds that reach 95 % of the limit": reached, **cells}


def main(args: Args) -> None:
    """Trains what the CSV does not hold, then prints the tables."""
    check_at_least("seeds", args.seeds, 3)
    check_at_least("seed", args.seed, 0)
    if not args.budgets:
        raise ConfigError("budgets", "", f"must name some of {', '.join(BUDGETS)}.")
    from experiments.benchmark import measure
    from experiments.results import variants
    from jaxdqn.runs import platform, signals

    platform.configure(platform.cores())
    rows.claim(args.out, {"default": dataclasses.asdict(Config())})
    path = args.out / "record.csv"
    found = rows.read(path, FIELDS)
    for name in args.budgets:
        chosen, begun = budget(name), time.perf_counter()
        done = {int(row["seed"]) for row in found if row["budget"] == name}
        wanted = range(args.seed, args.seed + args.seeds // chosen.share)
        missing = [seed for seed in wanted if seed not in done]
        for first in range(0, len(missing), GROUP):
            signals.stop_if_requested("the seeds that are done are kept, the same command goes on.")
            found += rows_of(name, missing[first : first + GROUP])
            rows.write(path, FIELDS, found)
        if missing:
            cli.say(f"{name}: {len(missing)} seeds in {time.perf_counter() - begun:.0f} s.")
    found = [row for row in found if int(row["seed"]) in range(args.seed, args.seed + args.seeds)]
    cli.say(
        markdown.table(
            "Greedy return of the last network", [budget_line(found, n) for n in args.budgets]
        )
    )
    if "50k" in args.budgets:
        lines = [world_line(found, world) for world in variants.WORLDS]
        cli.say(markdown.table("The same networks of 50,000 steps elsewhere", lines))


if __name__ == "__main__":
    cli.main(Args, main)
