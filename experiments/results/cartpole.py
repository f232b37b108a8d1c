"""Results of the default agent on CartPole: after short and long trainings, and on variants of the environment.

    python experiments/results/cartpole.py
    python experiments/results/cartpole.py --budgets 15k 20k-eight --seed 1300

Each seed gives the same agent as `cartpole.py` with the same options, bit-identical on a CPU.
The results are those of the greedy policy after the last update. Seeds that the CSV file
already holds are not trained again.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax

from experiments.results import markdown, rows
from experiments.results.estimates import line
from experiments.results.rows import Row
from experiments.results.variants import LONG, VARIANTS
from jaxdqn import evaluation, recipes
from jaxdqn.config import Config, ConfigError, check_at_least
from jaxdqn.recipes import classic
from jaxdqn.recipes.classic import SOLVED
from jaxdqn.runs import cli, platform
from jaxdqn.training import population, session

BudgetName = Literal["50k", "20k", "12k", "500k", "15k", "20k-eight"]
BUDGETS = get_args(BudgetName)
EVAL_INTERVAL, EVAL_EPISODES = 1_000, 100
"""The defaults of `cartpole.py`."""
GROUP_SIZE = 60
"""Seeds per call, after which the CSV file is written."""
FIELDS: Sequence[str] = ("budget", "seed", "variant", "mean_return")
FINAL, BEST = "as trained", "as trained, best of the run"


class Budget(NamedTuple):
    """The length and the hyperparameters of a training."""

    steps: int
    config: Config
    seeds_divisor: int = 1
    """The first `seeds / seeds_divisor` seeds are trained."""
    on_variants: bool = False
    """Whether the final policy is also evaluated on `VARIANTS`."""


@dataclass(frozen=True)
class Args:
    """Train the default agent on test seeds, evaluate its final policies and print how many are solved."""

    budgets: tuple[BudgetName, ...] = ("50k", "20k", "12k", "500k")
    """Environment steps per seed; 500k uses a third of the seeds, and 12k, 15k and 20k-eight take eight updates
    per iteration."""
    seeds: int = 300
    """Seeds per budget; at least 3."""
    seed: int = 1_000
    """First seed; the others are the integers after it; at least 0."""
    out: Path = Path("runs/cartpole-results")
    """Directory of results.csv."""


def budget(name: str) -> Budget:
    """The budget `name`."""
    eight = Config(n_step=2, num_updates=8, learning_starts=504, target_period=16)
    return {
        "50k": Budget(50_000, Config(), on_variants=True),
        "20k": Budget(20_000, Config()),
        "12k": Budget(12_000, eight),
        "500k": Budget(500_000, Config(), seeds_divisor=3),
        "15k": Budget(15_000, eight),
        "20k-eight": Budget(20_000, eight),
    }[name]


def train(chosen: Budget, seeds: Sequence[int]) -> Any:
    """Evaluation returns `[S, chunks]`, and the final returns on the variants, name -> `[S]`."""
    recipe = recipes.find(classic.CARTPOLE)
    trainer = recipe.trainer(chosen.config, chosen.steps)
    policy = recipe.policy()
    iterations = (chosen.steps - trainer.learning_starts) // trainer.iteration_steps
    length = EVAL_INTERVAL // trainer.iteration_steps
    evaluate = recipe.evaluate(EVAL_EPISODES)
    variants = (
        {name: make(EVAL_EPISODES) for name, make in VARIANTS.items()} if chosen.on_variants else {}
    )

    def one(key: jax.Array) -> Any:
        end, returns = session.train(key, trainer, evaluate, iterations, length)
        params = trainer.params(end.state)
        play = functools.partial(evaluation.evaluate, params=params, policy=policy)
        # Evaluations fold their env_steps, which are at least `learning_starts`, into this key.
        keys = jax.random.split(jax.random.fold_in(end.evaluation_key, 0), len(VARIANTS))
        played = zip(variants.items(), keys, strict=False)
        return returns, {name: play(k, env=env).returns.mean() for (name, env), k in played}

    program = population.each(one, population.layout(len(seeds)))
    compiled = jax.jit(program, compiler_options=platform.compiler_options())
    return jax.device_get(compiled(population.keys(seeds)))


def rows_of(name: str, seeds: Sequence[int]) -> list[Row]:
    """CSV rows of some seeds of a budget."""
    returns, on_variants = train(budget(name), seeds)
    played = {FINAL: returns[:, -1], BEST: returns.max(axis=1), **on_variants}
    return [
        dict(zip(FIELDS, (name, str(seed), variant, f"{values[i]:.4f}"), strict=True))
        for i, seed in enumerate(seeds)
        for variant, values in played.items()
    ]


def values(found: Sequence[Row], name: str, variant: str) -> list[float]:
    """Mean returns, one per seed."""
    wanted = (name, variant)
    return [float(row["mean_return"]) for row in found if (row["budget"], row["variant"]) == wanted]


def budget_line(found: Sequence[Row], name: str) -> Row:
    """The line of a budget in the table."""
    final, best = values(found, name, FINAL), values(found, name, BEST)
    unsolved_again = sum(b >= SOLVED > f for f, b in zip(final, best, strict=True))
    return {
        "budget": name,
        "environment steps": f"{budget(name).steps:,}",
        **line(final),
        "exactly 500": f"{sum(x == 500 for x in final)}",
        "lowest": ", ".join(f"{x:.1f}" for x in sorted(final)[:3]),
        "solved earlier, not at the end": f"{unsolved_again}",
    }


def variant_line(found: Sequence[Row], variant: str) -> Row:
    """The line of a variant in the table, for policies trained for 50,000 steps."""
    threshold = 0.95 * LONG if variant == next(iter(VARIANTS)) else SOLVED
    cells = line(values(found, "50k", variant), threshold)
    reached = cells.pop(f"≥ {threshold:g}")
    return {"variant": variant, "seeds that reach 95 % of the time limit": reached, **cells}


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, then prints the tables."""
    check_at_least("seeds", args.seeds, 3)
    check_at_least("seed", args.seed, 0)
    if not args.budgets:
        raise ConfigError("budgets", "", f"must name some of {', '.join(BUDGETS)}.")
    platform.configure(platform.cores())
    rows.create(args.out, {"default": dataclasses.asdict(Config())})
    path, last = args.out / "results.csv", args.seed + args.seeds
    for name in args.budgets:
        rows.fill(
            path,
            FIELDS,
            {"budget": name},
            range(args.seed, args.seed + args.seeds // budget(name).seeds_divisor),
            lambda seeds, name=name: rows_of(name, seeds),
            GROUP_SIZE,
        )
    found = [row for row in rows.read(path, FIELDS) if args.seed <= int(row["seed"]) < last]
    lines = [budget_line(found, name) for name in args.budgets]
    cli.say(markdown.table("Evaluation return of the final policy", lines))
    if "50k" in args.budgets:
        lines = [variant_line(found, variant) for variant in VARIANTS]
        cli.say(markdown.table("Return of the same policies (50,000 steps) on variants", lines))


if __name__ == "__main__":
    cli.main(Args, main)
