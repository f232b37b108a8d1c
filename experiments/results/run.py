"""Results of agents on environments: trains what the CSV file lacks, prints the tables and draws learning curves.

    python experiments/results/run.py --envs Catch-bsuite Acrobot-v1 --agents dqn rainbow pqn --seeds 10
    python experiments/results/run.py --seeds 4

Each seed gives the same numbers as in `train.py`, to the bit on a CPU. A study may take several
sittings: rows are written as they come, and a training that was stopped continues.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import jax

from experiments import compare
from experiments.results import markdown, trainings
from jaxdqn import envs, evaluation, policies
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.envs.gymnax import gymnax_names
from jaxdqn.recipes import AgentName, Recipe
from jaxdqn.runs import cli, platform

TUNING_SEEDS = 100
"""Hyperparameters are chosen on the seeds below."""


@dataclass(frozen=True)
class Args:
    """Train agents on environments with test seeds, and compare their final policies."""

    envs: tuple[str, ...] = ()
    """Environments, by any name that train.py takes; by default all of gymnax with discrete actions."""
    agents: tuple[AgentName, ...] = ("dqn",)
    """Agents to train in each environment."""
    steps: int | None = None
    """Environment steps per seed; by default those of each recipe."""
    eval_interval: int | None = None
    """Environment steps between two evaluations; by default those of each recipe."""
    seeds: int = 10
    """Seeds per agent and environment; at least 1."""
    seed: int = 100
    """First seed; the others are the integers after it; at least 100, since smaller ones serve for tuning."""
    group_size: int | None = None
    """Seeds per program, after which their rows are written; by default all; at least 1."""
    csv: Path = Path("experiments/results/results.csv")
    """File of the rows."""
    out: Path = Path("runs/results")
    """Directory of the run directories and pictures."""


def random_policy(recipe: Recipe) -> float:
    """Mean return of random actions."""
    env = envs.vectorize(recipe.env, compare.EVAL_EPISODES)
    policy = policies.random(env.num_actions)

    def play(key: jax.Array) -> jax.Array:
        return evaluation.evaluate(key, None, env, policy).returns.mean()

    return float(jax.jit(play)(jax.random.key(0)))


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, then prints a table per environment."""
    check_at_least("seeds", args.seeds, 1)
    if args.seed < TUNING_SEEDS:
        rule = f"must be at least {TUNING_SEEDS}; hyperparameters were chosen on the seeds below."
        raise ConfigError("seed", args.seed, rule)
    for name in ("steps", "eval_interval", "group_size"):
        if getattr(args, name) is not None:
            check_at_least(name, getattr(args, name), 1)
    platform.configure(platform.cores())
    seeds = range(args.seed, args.seed + args.seeds)
    args.out.mkdir(parents=True, exist_ok=True)
    for env_name in args.envs or gymnax_names():
        chosen = [compare.recipe(env_name, agent, args.steps) for agent in args.agents]
        if args.eval_interval is not None:
            chosen = [replace(recipe, eval_interval=args.eval_interval) for recipe in chosen]
        found = [
            row
            for recipe in chosen
            for row in trainings.fill(
                args.csv, recipe, seeds, args.out, args.group_size, option="csv"
            )
        ]
        solved_at, random = chosen[0].solved_at, random_policy(chosen[0])
        lines = [
            compare.summary(name, found, solved_at) | {"seconds": compare.seconds(name, found)}
            for name in args.agents
        ]
        title = (
            f"{env_name}, {chosen[0].steps:,} environment steps; a random policy has {random:.4g}"
        )
        cli.say(markdown.table(title, lines))
        name = env_name.replace("/", "-").replace(":", "-")
        compare.picture(args.out / f"{name}.png", env_name, found, solved_at)


if __name__ == "__main__":
    cli.main(Args, main)
