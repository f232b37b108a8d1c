"""Why does the reward curve go up and down so much? One thing changed at a time, 200 seeds each time.

    python experiments/wobble.py
    python experiments/wobble.py --arms student repaired --seeds 20 --out runs/wobble-few

The arms are in wobble_arms.py, with what was expected of each before it was run; the answer is in
WOBBLE.md. An interrupted study goes on with the arms that its CSVs do not hold.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxdqn.config import Config, ConfigError, check_at_least
from jaxdqn.runs import cli, signals

LEAST_STEPS = 2_500
"""The student begins to learn after 2,000."""
LONG_BLOCKS = 20
PLAN = ("steps", "episodes", "eval_episodes", "long_episodes")
"""What must be the same for all rows in one folder."""
KEPT = "stopped; the arms that are done are kept, the same command goes on."
TABLES = """# The tables of the study

What WOBBLE.md tells in words. An interval in brackets is one of 95 %; `p` is McNemar's; *expected* was committed before
the runs, *found* is `same` where the difference's interval holds 0: nothing that so many seeds would show."""
QUICK_ARMS = ("student", "repaired", "default")


@dataclass(frozen=True)
class Args:
    """Trains every arm of the study, prints its tables, draws its figures."""

    arms: tuple[str, ...] = ()
    """Names in wobble_arms.py; by default all."""
    seeds: int = 200
    """Seeds of each arm, the same for all."""
    seed: int = 2_000
    """The first of them."""
    steps: int = 30_000
    """World steps of each seed, warm-up included: at most this many."""
    episodes: int = 500
    """Episodes of the student's agents, unless the steps end first."""
    eval_episodes: int = 100
    """Episodes in an evaluation, greedy."""
    long_episodes: int = 5_000
    """Episodes of the long trainings."""
    long_seeds: int = 10
    """Seeds of each of them; 0 leaves them out."""
    out: Path = Path("runs/wobble")
    """Directory of the CSVs, of tables.md and of the figures."""
    quick: bool = False
    """Three arms, few seeds, short, in a folder of its own: does it work?"""


def train(name: str, seeds: Sequence[int], args: Args) -> tuple[list, list]:
    """Rows of seeds.csv and of looks.csv of one arm."""
    import jax
    from tqdm import tqdm

    from experiments import blog, variance, wobble_arms, wobble_runs
    from jaxdqn import population

    arm = wobble_arms.ARMS[name]
    plan = wobble_runs.Plan(args.steps, args.episodes, eval_episodes=args.eval_episodes)
    if arm.family == "default":
        member = wobble_runs.default_member(arm.make(args.steps), plan, arm.looked)
    else:
        member = wobble_runs.student_member(arm.make(), plan, arm.looked)
    groups = list(blog.groups_of(seeds, jax.local_device_count()))
    program = jax.jit(population.each(member, population.layout(len(groups[0]))))
    seed_rows, look_rows = [], []
    with tqdm(total=len(seeds), desc=name, unit="seed", leave=False) as bar:
        for group in groups:
            signals.stop_if_requested(KEPT)
            seen = jax.tree.map(np.asarray, program(population.keys(group)))
            for i, seed in enumerate(group):
                parts = ("", "")
                if seen.again is not None:
                    parts = tuple(float(x) for x in variance.split(seen.again[i]))
                end = int(seen.world_steps[i, -1]), float(seen.greedy_return[i, -1])
                seed_rows.append((name, seed, *end, *parts))
                if seen.look is not None:
                    look_rows += looks(name, seed, jax.tree.map(lambda x, i=i: x[i], seen))
            bar.update(len(group))
    return seed_rows, look_rows


def looks(name: str, seed: int, seen) -> list:
    """Rows of looks.csv of one seed; without the looks after the steps had ended."""
    from experiments import probes

    churn = np.concatenate([[np.nan], probes.churn(seen.look.actions)])
    series = (seen.greedy_return, seen.look.action_gap, seen.look.value, seen.look.monte_carlo)
    series = (*series, churn, seen.look.terminal_share)
    return [
        (name, seed, p, int(seen.world_steps[p]), *(float(x[p]) for x in series))
        for p in range(len(seen.world_steps))
        if p == 0 or seen.world_steps[p] > seen.world_steps[p - 1]
    ]


def train_long(name: str, seeds: Sequence[int], args: Args) -> list:
    """Rows of long.csv of one of the long trainings."""
    import jax

    from experiments import wobble_arms, wobble_runs
    from jaxdqn import population

    period = args.long_episodes // LONG_BLOCKS
    member = wobble_runs.long_member(
        wobble_arms.LONG[name](), args.long_episodes, period, args.eval_episodes
    )
    program = jax.jit(population.each(member, population.layout(len(seeds))))
    means, greedy = (np.asarray(x) for x in program(population.keys(seeds)))
    return [
        (name, seeds[i], period * (p + 1), float(means[i, p]), float(greedy[i, p]))
        for i, p in np.ndindex(*means.shape)
    ]


def check(args: Args) -> None:
    """Raises `ConfigError` where a choice cannot be meant."""
    for name in ("seeds", "eval_episodes"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    check_at_least("long_seeds", args.long_seeds, 0)
    check_at_least("steps", args.steps, LEAST_STEPS)
    check_at_least("episodes", args.episodes, 100)
    check_at_least("long_episodes", args.long_episodes, LONG_BLOCKS)
    for name, divisor in (("episodes", 10), ("long_episodes", LONG_BLOCKS)):
        if getattr(args, name) % divisor:
            raise ConfigError(name, getattr(args, name), f"must be a multiple of {divisor}.")


def main(args: Args) -> None:
    """Trains what the CSVs do not hold; then the tables, then the figures."""
    if args.quick:
        short = {"steps": 3_000, "episodes": 100, "eval_episodes": 10, "long_episodes": 40}
        args = dataclasses.replace(
            args, arms=QUICK_ARMS, seeds=4, long_seeds=2, out=args.out / "quick", **short
        )
    check(args)
    from experiments import rows, wobble_arms, wobble_store
    from jaxdqn.runs import platform

    for name in args.arms:
        if name not in wobble_arms.ARMS:
            rule = f"must be among {', '.join(wobble_arms.ARMS)}."
            raise ConfigError("arms", name, rule)
    platform.configure(platform.cores())
    plan = {name: getattr(args, name) for name in PLAN} | {"default": dataclasses.asdict(Config())}
    changed = {name: arm.changed for name, arm in wobble_arms.ARMS.items()}
    rows.claim(args.out, plan | {"arms": changed})
    for name in args.arms or wobble_arms.ARMS:
        if left := wobble_store.missing(args.out, "seeds", name, seeds_of(args)):
            start = time.perf_counter()
            seed_rows, look_rows = train(name, left, args)
            # The seeds last: an arm is done when they are there.
            wobble_store.append(args.out, "looks", look_rows)
            wobble_store.append(args.out, "seeds", seed_rows)
            cli.say(f"{name}: {len(left)} seeds in {time.perf_counter() - start:.0f} s.")
    for name in wobble_arms.LONG:
        if left := wobble_store.missing(args.out, "long", name, long_seeds_of(args)):
            signals.stop_if_requested(KEPT)
            start = time.perf_counter()
            wobble_store.append(args.out, "long", train_long(name, left, args))
            cli.say(f"{name}, long: {len(left)} seeds in {time.perf_counter() - start:.0f} s.")
    report(args)


def seeds_of(args: Args) -> range:
    """Of each arm."""
    return range(args.seed, args.seed + args.seeds)


def long_seeds_of(args: Args) -> range:
    """Of each of the long trainings."""
    return range(args.seed, args.seed + args.long_seeds)


def report(args: Args) -> None:
    """Says what the CSVs hold of the seeds asked for; leaves it in tables.md and in the figures."""
    from experiments import wobble_picture, wobble_store, wobble_tables

    wanted = {"seeds": seeds_of(args), "looks": seeds_of(args), "long": long_seeds_of(args)}
    rows = {
        name: [row for row in wobble_store.read(args.out, name) if int(row["seed"]) in seeds]
        for name, seeds in wanted.items()
    }
    text = [wobble_tables.arms_table(rows["seeds"])]
    tables = ("seeds", "split"), ("looks", "course"), ("looks", "signs"), ("long", "long")
    text += [
        getattr(wobble_tables, f"{table}_table")(rows[name]) for name, table in tables if rows[name]
    ]
    (args.out / "tables.md").write_text("\n".join([TABLES, *text]) + "\n")
    cli.say("\n".join(text))
    paths = wobble_picture.draw(args.out, rows)
    cli.say(f"\nLook at {', '.join(map(str, paths))}.")


if __name__ == "__main__":
    cli.main(Args, main)
