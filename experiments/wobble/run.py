"""The study: trains every arm on the same seeds, writes its CSV files, tables and figures.

    python experiments/wobble/run.py
    python experiments/wobble/run.py --arms student student_fixed --seeds 20 --out runs/wobble-few

The arms and the expected result of each are in arms.py, the findings in README.md. An
interrupted study continues with the arms that its CSV files do not hold.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from experiments.results import rows
from experiments.results.rows import Row
from experiments.wobble import arms, figures, groups, measurements, probes, store, tables, variance
from experiments.wobble.measurements import Results
from jaxdqn.config import Config, ConfigError, check_at_least
from jaxdqn.runs import cli, platform

MIN_STEPS = 2_500
"""Lower limit of `--steps`; the student's agent starts learning after 2,000."""
LONG_BLOCKS = 20
"""Blocks of a long training, each followed by an evaluation."""
PLAN = ("steps", "episodes", "eval_episodes", "long_episodes")
"""Options that must be the same for all rows in one directory."""
KEPT = "stopped; finished arms are kept, the same command continues."
TABLES = """# Tables of the study

The findings are described in README.md. Brackets hold 95 % intervals; `p` is the p-value of McNemar's test.
*Expected* was committed before the runs. *Found* is `same` if the interval of the difference, before it is
rounded, contains 0: no difference that this number of seeds would show."""
QUICK_ARMS = ("student", "student_fixed", "default")


@dataclass(frozen=True)
class Args:
    """Train every arm of the study, print its tables and draw its figures."""

    arms: tuple[str, ...] = ()
    """Names of arms in arms.py; by default all."""
    seeds: int = 200
    """Seeds per arm, the same for all arms; at least 1."""
    seed: int = 2_000
    """First seed; the others are the integers after it; at least 0."""
    steps: int = 30_000
    """Environment steps per seed, at most, including those before learning starts; at least 2500."""
    episodes: int = 500
    """Episodes of the student's agents, unless they reach --steps first; a multiple of 10, at least 100."""
    eval_episodes: int = 100
    """Episodes per evaluation, played greedily; at least 1."""
    long_episodes: int = 5_000
    """Episodes of the long trainings; a multiple of 20."""
    long_seeds: int = 10
    """Seeds per long training; 0 omits the long trainings."""
    out: Path = Path("runs/wobble")
    """Directory of the CSV files, of tables.md and of the figures."""
    quick: bool = False
    """Train three arms with few seeds and steps in the subdirectory quick, as a test."""


def train(name: str, seeds: Sequence[int], args: Args) -> list[Row]:
    """Trains one arm, adds its rows to measurements.csv and returns its rows of seeds.csv."""
    arm = arms.ARMS[name]
    plan = measurements.Plan(args.steps, args.episodes, eval_episodes=args.eval_episodes)
    if arm.group == "default":
        function = measurements.default_training(arm.make(args.steps), plan, arm.measured)
    else:
        function = measurements.student_training(arm.make(), plan, arm.measured)
    seed_rows, measurement_rows = [], []
    for group, results in groups.train(function, seeds, name, KEPT):
        for i, seed in enumerate(group):
            parts = ("", "")
            if results.repeated is not None:
                parts = tuple(float(x) for x in variance.split(results.repeated[i]))
            end = int(results.env_steps[i, -1]), float(results.eval_return[i, -1])
            seed_rows.append(store.row("seeds", (name, seed, *end, *parts)))
            if results.measurement is not None:
                of_seed = jax.tree.map(lambda x, i=i: x[i], results)
                measurement_rows += rows_of_measurements(name, seed, of_seed)
    # Before the rows of seeds.csv, which mark the arm as finished.
    store.append(args.out, "measurements", measurement_rows)
    return seed_rows


def rows_of_measurements(name: str, seed: int, results: Results) -> list[Row]:
    """Rows of measurements.csv of one seed, without measurements after the end of its training."""
    measurement = results.measurement
    assert measurement is not None
    churn = np.concatenate([[np.nan], probes.churn(np.asarray(measurement.actions))])
    columns = (
        results.eval_return,
        measurement.action_gap,
        measurement.value,
        measurement.monte_carlo,
        churn,
        measurement.terminal_share,
    )
    return [
        store.row(
            "measurements",
            (name, seed, p, int(results.env_steps[p]), *(float(x[p]) for x in columns)),
        )
        for p in range(len(results.env_steps))
        if p == 0 or results.env_steps[p] > results.env_steps[p - 1]
    ]


def train_long(name: str, seeds: Sequence[int], args: Args) -> list[Row]:
    """Runs a long training and returns its rows of long.csv."""
    period = args.long_episodes // LONG_BLOCKS
    function = measurements.long_training(
        arms.LONG[name](), args.long_episodes, period, args.eval_episodes
    )
    return [
        store.row(
            "long",
            (name, group[i], period * (p + 1), float(means[i, p]), float(eval_return[i, p])),
        )
        for group, (means, eval_return) in groups.train(function, seeds, f"{name}, long", KEPT)
        for i, p in np.ndindex(*means.shape)
    ]


def check(args: Args) -> None:
    """Raises `ConfigError` if an option is invalid."""
    for name in ("seeds", "eval_episodes"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    check_at_least("long_seeds", args.long_seeds, 0)
    check_at_least("steps", args.steps, MIN_STEPS)
    check_at_least("episodes", args.episodes, 100)
    check_at_least("long_episodes", args.long_episodes, LONG_BLOCKS)
    for name, divisor in (("episodes", 10), ("long_episodes", LONG_BLOCKS)):
        if getattr(args, name) % divisor:
            raise ConfigError(name, getattr(args, name), f"must be a multiple of {divisor}.")
    for name in args.arms:
        if name not in arms.ARMS:
            raise ConfigError("arms", name, f"must be among {', '.join(arms.ARMS)}.")


def main(args: Args) -> None:
    """Trains the seeds that the CSV files do not hold, then writes the tables and figures."""
    if args.quick:
        short = {"steps": 3_000, "episodes": 100, "eval_episodes": 10, "long_episodes": 40}
        args = dataclasses.replace(
            args, arms=QUICK_ARMS, seeds=4, long_seeds=2, out=args.out / "quick", **short
        )
    check(args)
    platform.configure(platform.cores())
    plan = {name: getattr(args, name) for name in PLAN} | {"default": dataclasses.asdict(Config())}
    changed = {name: arm.changed for name, arm in arms.ARMS.items()}
    rows.create(args.out, plan | {"arms": changed})
    for name in args.arms or arms.ARMS:
        fill("seeds", name, args)
    for name in arms.LONG:
        fill("long", name, args)
    report(args)


def fill(name: str, arm: str, args: Args) -> None:
    """Trains the seeds of an arm that the file `name` does not hold."""
    function = {"seeds": train, "long": train_long}[name]
    rows.fill(
        store.path(args.out, name),
        store.FILES[name],
        {"arm": arm},
        seeds_of(name, args),
        lambda seeds: function(arm, seeds, args),
    )


def seeds_of(name: str, args: Args) -> range:
    """The seeds of each arm in the file `name`."""
    return range(args.seed, args.seed + (args.long_seeds if name == "long" else args.seeds))


def report(args: Args) -> None:
    """Prints tables of the requested seeds, and writes them to tables.md and the figures."""
    found = {
        name: [
            row for row in store.read(args.out, name) if int(row["seed"]) in seeds_of(name, args)
        ]
        for name in store.FILES
    }
    text = [tables.arms_table(found["seeds"]), tables.split_table(found["seeds"])]
    if measured := found["measurements"]:
        text += [tables.course_table(measured), tables.predictors_table(measured)]
    if found["long"]:
        text.append(tables.long_table(found["long"]))
    (args.out / "tables.md").write_text("\n".join([TABLES, *text]) + "\n")
    cli.say("\n".join(text))
    paths = figures.draw(args.out, found)
    cli.say(f"\nFigures: {', '.join(map(str, paths))}.")


if __name__ == "__main__":
    cli.main(Args, main)
