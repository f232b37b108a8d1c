"""Replication of the student's agent: 200 seeds, with greedy evaluations during training.

    python experiments/wobble/replicate.py
    python experiments/wobble/replicate.py --draw uniform --buffer-size 50000 --learning-rate 3e-4

Two versions: `student`, the agent that learnt, and `failing`, the one before it, which learnt from
100 transitions on, with episodes of up to 2,000 steps. The figure shows the training curve as the
student drew it, beside greedy evaluations of the same networks. What the student left open is an
option; the agent itself is in student.py, its training loop in episodes.py.
"""

import csv
import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np

from experiments.results import markdown
from experiments.results.estimates import solved
from experiments.wobble import episodes, groups, replicate_figure, student
from experiments.wobble.default import mean_return
from experiments.wobble.replicate_figure import last_fifth
from experiments.wobble.tables import middle
from jaxdqn.config import ConfigError, check_at_least, require
from jaxdqn.recipes.classic import SOLVED
from jaxdqn.runs import cli, platform

VersionName = Literal["student", "failing"]
KEPT = "stopped between two groups of seeds; nothing was written."
FIELDS = ("version", "seed", "train_mean", "train_deviation", "eval_return", "env_steps")
EPISODE_FIELDS = ("version", "seed", "episode", "train_return", "eval_return")


@dataclass(frozen=True)
class Args:
    """Train the student's agent with many seeds and evaluate its networks greedily."""

    versions: tuple[VersionName, ...] = ("student", "failing")
    """The version that learnt, and the first one, which did not."""
    seeds: int = 200
    """Seeds per version; at least 1."""
    seed: int = 0
    """First seed; the others are the integers after it; at least 0."""
    episodes: int = 500
    """Episodes of training; at least 1."""
    eval_interval: int = 25
    """Episodes between two evaluations; must divide --episodes."""
    eval_episodes: int = 100
    """Episodes per evaluation, limited to 500 steps in both versions; at least 1."""
    draw: Literal["normal", "uniform"] = "normal"
    """Random number that is compared with ε: normal, as in the student's code, or uniform, as intended."""
    buffer_size: int = student.BUFFER_SIZE
    """Transitions kept for replay, not stated by the student; at least 2000."""
    learning_rate: float = 1e-3
    """Step size of RMSprop, not stated by the student; above 0."""
    out: Path = Path("runs/replicate")
    """Directory of seeds.csv (one row per seed), episodes.csv (one row per episode) and replicate.png."""
    quick: bool = False
    """Train 4 seeds for 150 episodes, with 10 episodes per evaluation, as a test."""


class Result(NamedTuple):
    """Results of S seeds of one version in E episodes with P evaluations."""

    train_return: np.ndarray
    """`[S, E]`."""
    eval_return: np.ndarray
    """`[S, P]`, mean returns of the evaluations."""
    env_steps: np.ndarray
    """`[S]`."""


def train(name: VersionName, args: Args) -> Result:
    """Trains all seeds of the version `name`."""
    config = getattr(student, name)(
        draw=episodes.DRAWS[args.draw],
        buffer_size=args.buffer_size,
        learning_rate=args.learning_rate,
    )
    evaluate = mean_return(config.agent, args.eval_episodes)

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        train_key, evaluation_key = jax.random.split(key)
        played, params = episodes.train(train_key, config, args.episodes, args.eval_interval)
        keys = jax.random.split(evaluation_key, args.episodes // args.eval_interval)
        eval_return = jax.lax.map(lambda x: evaluate(*x), (keys, params))
        return played.episode_return, eval_return, played.env_steps[-1]

    seeds = range(args.seed, args.seed + args.seeds)
    found = [result for _, result in groups.train(one, seeds, name, KEPT)]
    return Result(*map(np.concatenate, zip(*found, strict=True)))


def summary(name: str, result: Result) -> dict[str, str]:
    """The line of a version in the table."""
    last = last_fifth(result.train_return)
    final = result.eval_return[:, -1]
    return {
        "version": name,
        f"training, last {last.shape[1]} episodes: mean": middle(last.mean(axis=1), ".0f"),
        "standard deviation": middle(last.std(axis=1), ".0f"),
        "greedy at the end": middle(final, ".0f"),
        "mean of seeds": f"{final.mean():.0f}",
        f"≥ {SOLVED:g}": solved(final.tolist()),
        f"ever ≥ {SOLVED:g}": solved(result.eval_return.max(axis=1).tolist()),
    }


def write(folder: Path, results: Mapping[str, Result], args: Args) -> None:
    """Writes seeds.csv and episodes.csv, where episodes without an evaluation have an empty cell."""
    with (folder / "seeds.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for name, result in results.items():
            last = last_fifth(result.train_return)
            columns = last.mean(axis=1), last.std(axis=1), result.eval_return[:, -1]
            for i, row in enumerate(zip(*columns, strict=True)):
                rounded = (f"{x:.2f}" for x in row)
                writer.writerow((name, args.seed + i, *rounded, int(result.env_steps[i])))
    with (folder / "episodes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(EPISODE_FIELDS)
        for name, result in results.items():
            evaluated = np.full(result.train_return.shape, "", object)
            interval = args.eval_interval
            evaluated[:, interval - 1 :: interval] = np.round(result.eval_return, 2)
            for (i, episode), train_return in np.ndenumerate(result.train_return):
                row = name, args.seed + i, episode + 1, int(train_return), evaluated[i, episode]
                writer.writerow(row)


def check(args: Args) -> None:
    """Raises `ConfigError` if an option is invalid."""
    if not args.versions:
        raise ConfigError("versions", "", "must name student, failing, or both.")
    for name in ("seeds", "episodes", "eval_interval", "eval_episodes"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    if args.episodes % args.eval_interval:
        rule = f"must divide the number of episodes ({args.episodes})."
        raise ConfigError("eval_interval", args.eval_interval, rule)
    check_at_least("buffer_size", args.buffer_size, 2_000)
    require(
        "learning_rate", args.learning_rate, lambda x: 0 < x < 3e38, "must be above 0 and finite."
    )


def main(args: Args) -> None:
    """Trains all versions, prints the table, writes both CSV files and draws the figure."""
    if args.quick:
        args = dataclasses.replace(args, seeds=4, episodes=150, eval_episodes=10)
    check(args)
    platform.configure(platform.cores())
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    results = {name: train(name, args) for name in dict.fromkeys(args.versions)}
    seconds = time.perf_counter() - start
    steps = sum(int(result.env_steps.sum()) for result in results.values())
    title = f"{args.seeds} seeds: median (10 % to 90 % quantile)"
    cli.say(markdown.table(title, [summary(*item) for item in results.items()]))
    path = args.out / "replicate.png"
    cli.say(f"\n{steps:,} environment steps in {seconds:.0f} s. Figure: {path}.")
    write(args.out, results, args)
    replicate_figure.draw(path, results, args.eval_interval)


if __name__ == "__main__":
    cli.main(Args, main)
