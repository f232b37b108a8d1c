"""Why does the student's reward curve go up and down so much? His agent, 200 times, and what its networks can do.

    python experiments/blog.py
    python experiments/blog.py --draw uniform --replay 50000 --learning-rate 3e-4

Two versions: `blog`, the agent that learnt, and `failing`, the one before it, which trained
from 100 transitions on with episodes of up to 2,000 steps. Beside each curve of
returns as he drew it stands the greedy play of the same networks. What he left open is
an option; what he wrote, and the agent itself, is in blog_agent.py,
its loop in episodes.py.
"""

import csv
import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from experiments.summary import SOLVED, solved
from jaxdqn.config import ConfigError, check_at_least, require
from jaxdqn.runs import cli, signals

VersionName = Literal["blog", "failing"]
LAST = 5
"""The last fifth of the episodes is what the table tells of."""
MOST_AT_ONCE = 25
"""Seeds that a device trains between two looks at the clock and at Ctrl-C."""
FIELDS = ("version", "seed", "train_mean", "train_deviation", "greedy_return", "world_steps")
EPISODE_FIELDS = ("version", "seed", "episode", "train_return", "greedy_return")


@dataclass(frozen=True)
class Args:
    """Trains the student's agent as he did, many times, and plays its networks greedily."""

    versions: tuple[VersionName, ...] = ("blog", "failing")
    """The agent that learnt, and the first one, which did not."""
    seeds: int = 200
    """Agents of each version."""
    seed: int = 0
    """Seed of the first; the others follow it by one each."""
    episodes: int = 500
    """Episodes of training."""
    period: int = 25
    """Episodes between two greedy evaluations."""
    eval_episodes: int = 100
    """Episodes in an evaluation; in all versions they end at 500 steps."""
    draw: Literal["normal", "uniform"] = "normal"
    """What ε is compared with: his normal number, or the uniform one that was meant."""
    replay: int = 10_000
    """Transitions kept; he does not say: 2,000 to 50,000."""
    learning_rate: float = 1e-3
    """RMSprop's; he does not say: Keras' own is 1e-3; 3e-4 to 3e-3."""
    out: Path = Path("runs/blog")
    """Directory of blog.csv (a row a seed), episodes.csv (a row an episode) and blog.png."""
    quick: bool = False
    """4 seeds, 150 episodes, 10 in an evaluation: does it work?"""


class Result(NamedTuple):
    """What S seeds of one version did in E episodes, P times evaluated."""

    train_return: np.ndarray
    """`[S, E]`."""
    greedy_return: np.ndarray
    """`[S, P]`, means over the episodes of an evaluation."""
    world_steps: np.ndarray
    """`[S]`."""


def train(name: VersionName, args: Args) -> Result:
    """All seeds of the version `name`."""
    import jax
    from tqdm import tqdm

    from experiments import blog_agent, episodes
    from jaxdqn import envs, evaluation, policies, population

    choices = getattr(blog_agent, name)(
        draw=episodes.DRAWS[args.draw], capacity=args.replay, learning_rate=args.learning_rate
    )
    worlds = envs.from_gymnax(blog_agent.ENV, args.eval_episodes)
    policy = policies.greedy(choices.agent.q_values)

    def evaluate(network):
        key, params = network
        return evaluation.evaluate(key, params, worlds, policy).mean()

    def member(key):
        train_key, evaluation_key = jax.random.split(key)
        played, params = episodes.train(train_key, choices, args.episodes, args.period)
        keys = jax.random.split(evaluation_key, args.episodes // args.period)
        greedy_return = jax.lax.map(evaluate, (keys, params))
        return played.episode_return, greedy_return, played.world_steps[-1]

    groups = list(groups_of(range(args.seed, args.seed + args.seeds), jax.local_device_count()))
    program = jax.jit(population.each(member, population.layout(len(groups[0]))))
    found = []
    with tqdm(total=args.seeds, desc=name, unit="seed") as bar:
        for group in groups:
            signals.stop_if_requested("stopped between two groups of seeds; nothing was written.")
            found.append([np.asarray(x) for x in program(population.keys(group))])
            bar.update(len(group))
    return Result(*map(np.concatenate, zip(*found, strict=True)))


def groups_of(seeds: Sequence[int], num_devices: int) -> Iterator[Sequence[int]]:
    """Equal parts of the seeds, each of which the devices share evenly."""
    from jaxdqn import population

    devices = population.num_devices(len(seeds), num_devices)
    each = len(seeds) // devices
    size = devices * max(n for n in range(1, MOST_AT_ONCE + 1) if each % n == 0)
    for start in range(0, len(seeds), size):
        yield seeds[start : start + size]


def last_part(train_return: np.ndarray) -> np.ndarray:
    """The last fifth of the episodes, of `[S, E]`."""
    return train_return[:, -max(train_return.shape[1] // LAST, 1) :]


def summary(name: str, result: Result) -> dict[str, str]:
    """The line of a version in the table."""
    last = last_part(result.train_return)
    final = result.greedy_return[:, -1]
    return {
        "version": name,
        f"training, last {last.shape[1]} episodes: mean": middle(last.mean(axis=1)),
        "standard deviation": middle(last.std(axis=1)),
        "greedy at the end": middle(final),
        "mean of seeds": f"{final.mean():.0f}",
        f"≥ {SOLVED:g}": solved(final.tolist()),
        f"ever ≥ {SOLVED:g}": solved(result.greedy_return.max(axis=1).tolist()),
    }


def middle(values: np.ndarray) -> str:
    """Median of the seeds, and the quantiles that hold four fifths of them."""
    low, median, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{median:.0f} ({low:.0f} to {high:.0f})"


def write(folder: Path, results: dict[str, Result], args: Args) -> None:
    """A row a seed, and a row an episode, its greedy return empty where nobody looked."""
    with (folder / "blog.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for name, result in results.items():
            last = last_part(result.train_return)
            columns = last.mean(axis=1), last.std(axis=1), result.greedy_return[:, -1]
            for i, row in enumerate(zip(*columns, strict=True)):
                rounded = (f"{x:.2f}" for x in row)
                writer.writerow((name, args.seed + i, *rounded, int(result.world_steps[i])))
    with (folder / "episodes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(EPISODE_FIELDS)
        for name, result in results.items():
            greedy = np.full(result.train_return.shape, "", object)
            greedy[:, args.period - 1 :: args.period] = np.round(result.greedy_return, 2)
            for (i, episode), earned in np.ndenumerate(result.train_return):
                row = name, args.seed + i, episode + 1, int(earned), greedy[i, episode]
                writer.writerow(row)


def main(args: Args) -> None:
    """Trains, prints the table, writes both CSVs, draws the picture."""
    if args.quick:
        args = dataclasses.replace(args, seeds=4, episodes=150, eval_episodes=10)
    if not args.versions:
        raise ConfigError("versions", "", "must name blog, failing, or both.")
    for name in ("seeds", "episodes", "period", "eval_episodes"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    if args.episodes % args.period:
        rule = f"must divide the episodes ({args.episodes})."
        raise ConfigError("period", args.period, rule)
    check_at_least("replay", args.replay, 2_000)
    require(
        "learning_rate", args.learning_rate, lambda x: 0 < x < 3e38, "must be above 0 and finite."
    )
    from experiments import blog_picture, measure
    from jaxdqn.runs import platform

    platform.configure(platform.cores())
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    results = {name: train(name, args) for name in dict.fromkeys(args.versions)}
    seconds = time.perf_counter() - start
    steps = sum(int(result.world_steps.sum()) for result in results.values())
    title = f"{args.seeds} seeds; median, and from the 10 % to the 90 % quantile"
    cli.say(measure.table(title, [summary(*item) for item in results.items()]))
    cli.say(f"\n{steps:,} steps in {seconds:.0f} s. Look at {args.out / 'blog.png'}.")
    write(args.out, results, args)
    blog_picture.draw(args.out / "blog.png", results, args.period)


if __name__ == "__main__":
    cli.main(Args, main)
