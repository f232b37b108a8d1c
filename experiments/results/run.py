"""Results of agents on environments: trains what the CSV file lacks, prints the tables and draws learning curves.

    python experiments/results/run.py --envs Catch-bsuite Acrobot-v1 --agents dqn rainbow pqn --seeds 10
    python experiments/results/run.py --seeds 4

Each seed gives the same numbers as in `train.py`, to the bit on a CPU. A study may take several
sittings: rows are written as they come, and a training that was stopped continues.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import jax

from experiments import compare
from experiments.results import markdown, trainings
from jaxdqn import envs, evaluation, policies
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.envs.gymnax import gymnax_names
from jaxdqn.recipes import AgentName, Recipe
from jaxdqn.runs import cli, experiment, platform

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
    """Environment steps between two evaluations; by default those of each recipe. Rows with another interval are not
    trained again."""
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


def recipe(env_name: str, agent: AgentName, args: Args) -> Recipe:
    """The recipe of an agent in an environment, with the options of the command line."""
    try:
        found = compare.recipe(env_name, agent, args.steps)
    except ConfigError as error:
        if error.option == "env":
            raise ConfigError("envs", error.value, error.rule) from None
        rule = f"{error.rule.removesuffix('.')}, for {agent} on {env_name}."
        raise ConfigError(error.option, error.value, rule) from None
    return replace(found, eval_interval=args.eval_interval or found.eval_interval)


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, then prints a table per environment."""
    check_at_least("seeds", args.seeds, 1)
    if args.seed < TUNING_SEEDS:
        rule = f"must be at least {TUNING_SEEDS}; hyperparameters were chosen on the seeds below."
        raise ConfigError("seed", args.seed, rule)
    experiment.check_last_seed(args.seed, args.seeds)
    compare.check_agents(args.agents)
    for name in ("steps", "eval_interval", "group_size"):
        if getattr(args, name) is not None:
            check_at_least(name, getattr(args, name), 1)
    platform.configure(platform.cores())
    seeds, agents = range(args.seed, args.seed + args.seeds), list(dict.fromkeys(args.agents))
    studies = [
        [recipe(env_name, agent, args) for agent in agents]
        for env_name in dict.fromkeys(args.envs or gymnax_names())
    ]
    for each in itertools.chain.from_iterable(studies):
        trainings.check(args.csv, each, option="csv")
    for folder in (args.out, args.csv.parent):
        folder.mkdir(parents=True, exist_ok=True)
    for chosen in studies:
        found = [
            row
            for each in chosen
            for row in trainings.fill(args.csv, each, seeds, args.out, args.group_size)
        ]
        env_name, steps = chosen[0].env_name, chosen[0].steps
        solved_at, random = chosen[0].solved_at, random_policy(chosen[0])
        lines = [
            compare.summary(name, found, solved_at) | {"seconds": compare.seconds(name, found)}
            for name in agents
        ]
        title = f"{env_name}, {steps:,} environment steps; a random policy has {random:.4g}"
        cli.say(markdown.table(title, lines))
        name = env_name.replace("/", "-").replace(":", "-")
        compare.picture(args.out / f"{name}-{steps}.png", env_name, found, solved_at)


if __name__ == "__main__":
    cli.main(Args, main)
