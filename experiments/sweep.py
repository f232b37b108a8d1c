"""Which numbers work? Trains every setting on many seeds, many to a program, and ranks them.

python experiments/sweep.py --seeds 32 --sweep learning_rate=1e-4:1e-2:log:8 --sweep gamma=0.9,0.99
python experiments/sweep.py --seeds 8 --draw learning_rate=1e-4:1e-2:log --draw gamma=0.9:1 --num-draws 64

Settings that differ in floats share one program; each choice of integers, which fix
shapes and loop lengths, is a program of its own.
"""

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from experiments.benchmark.measure import table
from experiments.results import estimates
from experiments.sweeps import grid
from experiments.sweeps.grid import Setting
from jaxdqn.config import Config, ConfigError, check, check_at_least, floats
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, experiment, hardware
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.hardware import Hardware

SHOWN = 20
"""Settings in the ranking on the terminal."""
MOST_MEMBERS = 10_000_000
"""Of a sweep, parts that wait included."""


@dataclass(frozen=True)
class Args:
    """Trains every setting of a sweep on many seeds, and ranks them."""

    sweep: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=0.9,0.99 or NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:log:COUNT; may be given again."""
    draw: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=LOW:HIGH or NAME=LOW:HIGH:log, drawn at random; may be given again."""
    num_draws: int = 16
    """Random draws, each for every point of the grid."""
    draw_seed: int = 0
    """Seed of the draws."""
    seeds: int = 8
    """Seeds of each setting."""
    seed: int = 0
    """The first of all; no two members share one."""
    paired: bool = False
    """Give every setting the same seeds."""
    max_parallel: int | None = None
    """Members trained together, if not all; the others wait."""
    steps: int = 50_000
    """World steps of each member, warm-up included: at most this many."""
    agent: classic.AgentName = "dqn"
    """What is learnt: see jaxdqn/agents/."""
    config: Config = field(default_factory=Config)
    eval_interval: int = 5_000
    """World steps between two evaluations."""
    eval_episodes: int = 100
    """Episodes in an evaluation, greedy."""
    checkpoint_interval: int = 2
    """Evaluations between two checkpoints."""
    run_dir: Path | None = None
    """Directory of the sweep; by default a new one under runs/sweep/."""
    resume: bool = False
    """Go on with the sweep in --run-dir."""
    quiet: bool = False
    """Print nothing but errors."""
    hardware: Annotated[Hardware, tyro.conf.arg(name="")] = field(default_factory=Hardware)


@dataclass(frozen=True)
class Part:
    """Members that are trained together: one program, one run directory."""

    integers: dict[str, int]
    seeds: list[int]
    settings: list[Setting]
    """One for each seed."""


def parts_of(args: Args, chosen: Sequence[Setting]) -> list[Part]:
    """All settings on all seeds: by their integers, and at most `max_parallel` in one part."""
    parts = []
    for integers, indices in grid.group(chosen):
        pairs = [
            (args.seed + k + (0 if args.paired else index * args.seeds), chosen[index])
            for index in indices
            for k in range(args.seeds)
        ]
        size = args.max_parallel or len(pairs)
        for first in range(0, len(pairs), size):
            seeds, own = zip(*pairs[first : first + size], strict=True)
            parts.append(Part(integers, list(seeds), list(own)))
    return parts


def check_settings(args: Args, chosen: Sequence[Setting]) -> None:
    """Raises `ConfigError`, of the option that brought it, for a setting that no training can have."""
    check(args.config, args.steps)
    words = {word.split("=")[0].replace("-", "_"): word for word in args.sweep + args.draw}

    def refuse(name: str, rule: str) -> ConfigError:
        return ConfigError("sweep" if words[name] in args.sweep else "draw", words[name], rule)

    for name in words:
        if name in classic.unread(args.agent):
            raise refuse(name, f"is a number that {args.agent} does not read.")
    for setting in chosen:
        try:
            check(dataclasses.replace(args.config, **setting), args.steps)
        except ConfigError as error:
            # The rule may speak of another number than the one that was swept.
            spoken_of = [error.option, *(name for name in words if name in error.rule), *words]
            name = next(name for name in spoken_of if name in words)
            rule = f"makes a training whose {error.option} ({error.value}) {error.rule}"
            raise refuse(name, rule) from None


class Training:
    """One part, ready to be trained in a directory."""

    def __init__(self, args: Args, part: Part) -> None:
        from jaxdqn.runs import loop
        from jaxdqn.training import session
        from jaxdqn.training.population import Population

        config = dataclasses.replace(args.config, **part.integers)
        agent = classic.make_agent(args.agent)
        self.args, self.part = args, part
        self.evaluate = experiment.make_evaluate(agent, args.eval_episodes)
        self.layout = hardware.layout(args.hardware, len(part.seeds))
        own = [floats(dataclasses.replace(config, **setting)) for setting in part.settings]
        everyone = Population(part.seeds, {name: [x[name] for x in own] for name in own[0]})

        def trainer(values: Any):
            mine = dataclasses.replace(config, **values)
            shards = self.layout.data_shards
            return experiment.make_trainer(args.agent, mine, agent, args.steps, shards)

        self.trainer, first = trainer, trainer(everyone.one(0))
        self.plan = loop.Plan(
            everyone,
            args.steps,
            first.learning_starts,
            first.iteration_steps,
            args.eval_interval,
            args.checkpoint_interval,
        )
        loop.check(self.plan)
        self.lines = hardware.plan(
            everyone,
            self.layout,
            lambda key, values: session.init(key, trainer(values)),
            option="max_parallel",
        )

    def run(self, run_dir: Path, quiet: bool) -> list[dict[str, Any]]:
        """Trains what is not trained yet; a row of `results.csv` for each member."""
        from jaxdqn.runs import directory, logs, loop, processes

        run_dir.mkdir(parents=True, exist_ok=True)
        done = (run_dir / "result.json").exists()
        # Of several processes one may have died before it wrote: then all finish once more.
        if not all(processes.gather(np.array([done]))):
            inputs = self.trainer, self.evaluate, self.plan, self.layout, run_dir
            try:
                loop.train(*inputs, resume=True, quiet=quiet)
            except RunError as error:
                if error.exit_code != DIVERGED:
                    raise
                # All of them are lost: that, too, is a result, and others may follow.
                directory.write_json(run_dir / "result.json", {"diverged": str(error)})
        rows = logs.read(run_dir, len(self.part.seeds))
        steps = [row["env_steps"] for row in rows]
        lost = logs.diverged(rows)
        found = []
        for k, (seed, setting) in enumerate(zip(self.part.seeds, self.part.settings, strict=True)):
            returns = [row["eval_return"][k] for row in rows]
            solved = [
                at for at, value in zip(steps, returns, strict=True) if value >= classic.SOLVED
            ]
            outcome = {
                "seed": seed,
                "final_return": round(returns[-1], 4),
                "best_return": round(max(returns), 4),
                "steps_to_475": solved[0] if solved else "",
                "diverged": "" if lost[k] is None else lost[k],
            }
            found.append(setting | outcome)
        return found


def ranking(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """A line a setting, those first that solve most and then earn most."""
    returns: dict[tuple[Any, ...], list[float]] = {}
    lost: dict[tuple[Any, ...], int] = {}
    for row in rows:
        setting = tuple(row[name] for name in names)
        returns.setdefault(setting, []).append(float(row["final_return"]))
        lost[setting] = lost.get(setting, 0) + (row["diverged"] != "")

    def merit(setting: tuple[Any, ...]) -> tuple[float, float]:
        mine = returns[setting]
        return estimates.solve_rate(mine).value, sum(mine) / len(mine)

    shown = {
        name: dict(zip(values, grid.labels(values), strict=True))
        for name, column in zip(names, zip(*returns, strict=True), strict=True)
        for values in [np.unique(column)]
    }
    return [
        {name: shown[name][value] for name, value in zip(names, setting, strict=True)}
        | estimates.line(returns[setting])
        | {"diverged": lost[setting]}
        for setting in sorted(returns, key=merit, reverse=True)
    ]


def write_results(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A row a member, whole or not at all."""
    from jaxdqn.runs import directory

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    directory.write_text(path, text.getvalue())


def choices(args: Args) -> dict[str, Any]:
    """What makes a sweep this sweep."""
    chosen = dataclasses.asdict(args) | classic.CONSTANTS
    for name in ("run_dir", "resume", "quiet", "hardware"):
        del chosen[name]
    return chosen | hardware.shards(args.hardware)


def main(args: Args) -> None:
    """Trains all parts, one after another, and says which settings did best."""
    for name in ("seeds", "eval_episodes", "eval_interval", "checkpoint_interval", "max_parallel"):
        if getattr(args, name) is not None:
            check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    chosen = grid.parse(args.sweep, args.draw, args.num_draws, args.draw_seed)
    if args.seeds * len(chosen) > MOST_MEMBERS:
        rule = f"times the settings ({len(chosen)}) must be at most {MOST_MEMBERS:,} members."
        raise ConfigError("seeds", args.seeds, rule)
    last = args.seed + args.seeds * (1 if args.paired else len(chosen)) - 1
    if last >= 2**31:
        raise ConfigError(
            "seed", args.seed, f"must leave room below 2147483648: the last is {last}."
        )
    check_settings(args, chosen)
    parts = parts_of(args, chosen)
    hardware.start(args.hardware, *(len(part.seeds) for part in parts))
    from experiments.sweeps.picture import draw
    from jaxdqn.runs import directory, processes

    trainings = [Training(args, part) for part in parts]
    run_dir, asked = processes.own_directory(args.run_dir), choices(args)
    processes.require_same(asked)
    run_dir = directory.create(run_dir, Path("runs/sweep"), asked, args.resume)
    quiet = args.quiet or processes.index() > 0
    say = (lambda line: None) if quiet else cli.say
    say(f"Sweep: {len(chosen)} settings on {args.seeds} seeds each, {len(parts)} parts.")
    say(f"Run directory: {run_dir}")
    rows: list[dict[str, Any]] = []
    with directory.locked(run_dir):
        for number, training in enumerate(trainings, start=1):
            shared = "".join(f", {name} {x}" for name, x in training.part.integers.items())
            say(f"Part {number} of {len(parts)}{shared}.")
            for line in training.lines:
                say(line)
            try:
                rows += training.run(run_dir / "parts" / str(number), quiet)
            except RunError as stop:
                if stop.run_dir is not None:  # What goes on is the sweep, not its part.
                    stop.run_dir = processes.shared_directory(run_dir)
                raise
            write_results(run_dir / "results.csv", rows)
        names = list(chosen[0])
        ranked = ranking(rows, names)
        text = table("Greedy return at the end, a line a setting, best first", ranked)
        directory.write_text(run_dir / "ranking.md", text + "\n")
        draw(run_dir / "sweep.png", rows, [n for n in names if len({row[n] for row in rows}) > 1])
    say(table("Greedy return at the end, a line a setting, best first", ranked[:SHOWN]))
    say(f"Look at {run_dir / 'sweep.png'}, {run_dir / 'results.csv'} and {run_dir / 'ranking.md'}.")


if __name__ == "__main__":
    cli.main(Args, main)
