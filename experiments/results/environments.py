"""One agent on every environment of gymnax with discrete actions, each by its name alone.

    python experiments/results/environments.py
    python experiments/results/environments.py --envs Acrobot-v1 MountainCar-v0 --seeds 10

The hyperparameters are those of `recipes.find`. Seeds that the CSV file already holds are not
trained again.
"""

import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from experiments.compare import EVAL_EPISODES, train
from experiments.results import markdown, rows
from experiments.results.rows import Row
from jaxdqn import envs, evaluation, policies, recipes
from jaxdqn.config import check_at_least
from jaxdqn.recipes import AgentName, Recipe
from jaxdqn.runs import cli, platform

FIELDS = ("env", "agent", "steps", "seed", "final_return", "best_return", "random_return")


@dataclass(frozen=True)
class Args:
    """Train an agent on many environments, and print its returns beside those of a random policy."""

    envs: tuple[str, ...] = ()
    """Environments; by default all of gymnax with discrete actions."""
    agent: AgentName = "dqn"
    """Algorithm; see jaxdqn/agents/."""
    seeds: int = 3
    """Seeds per environment; at least 1."""
    seed: int = 100
    """First seed; the others are the integers after it; at least 0."""
    out: Path = Path("runs/environments")
    """Directory of environments.csv and the run directories."""


def train_env(recipe: Recipe, out: Path, seeds: Sequence[int]) -> list[Row]:
    """The rows of some seeds."""
    random_return = f"{random_policy(recipe):.4f}"
    own = {"env": recipe.env_name, "steps": str(recipe.steps), "random_return": random_return}
    return [row | own for row in train(recipe, seeds, out)]


def random_policy(recipe: Recipe) -> float:
    """Mean return of random actions."""
    env = envs.vectorize(recipe.env, EVAL_EPISODES)
    policy = policies.random(env.num_actions)

    def play(key: jax.Array) -> jax.Array:
        return evaluation.evaluate(key, None, env, policy).returns.mean()

    return float(jax.jit(play)(jax.random.key(0)))


def line(found: Sequence[Row], solved_at: float | None) -> Row:
    """The line of an environment in the table."""
    final = [float(row["final_return"]) for row in found]
    solved = "–" if solved_at is None else f"{sum(x >= solved_at for x in final)} of {len(final)}"
    return {
        "environment": found[0]["env"],
        "steps": f"{int(found[0]['steps']):,}",
        "seeds": str(len(final)),
        "random": f"{float(found[0]['random_return']):.4g}",
        "final: mean": f"{statistics.mean(final):.4g}",
        "minimum to maximum": f"{min(final):.4g} to {max(final):.4g}",
        "solved": solved if solved_at is None else f"{solved} (≥ {solved_at:g})",
    }


def main(args: Args) -> None:
    """Trains the seeds that the CSV file does not hold, then prints the table."""
    check_at_least("seeds", args.seeds, 1)
    check_at_least("seed", args.seed, 0)
    platform.configure(platform.cores())
    args.out.mkdir(parents=True, exist_ok=True)
    path, seeds = args.out / "environments.csv", range(args.seed, args.seed + args.seeds)
    lines = []
    for name in args.envs or [name for name in envs.names() if "/" not in name]:
        recipe = recipes.find(name, args.agent)
        where = {"env": name, "agent": args.agent, "steps": str(recipe.steps)}
        found = rows.fill(
            path, FIELDS, where, seeds, functools.partial(train_env, recipe, args.out)
        )
        own = [row for row in found if all(row[key] == value for key, value in where.items())]
        lines.append(line([row for row in own if int(row["seed"]) in seeds], recipe.solved_at))
    cli.say(markdown.table(f"{args.agent}, final policy, {EVAL_EPISODES} episodes", lines))


if __name__ == "__main__":
    cli.main(Args, main)
