"""Rows of results: one per training, with its returns, its learning curve, its time and its machine."""

import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.results import rows
from experiments.results.rows import LOWEST, Row
from jaxdqn.config import ConfigError
from jaxdqn.recipes import Recipe
from jaxdqn.runs import cli, directory, experiment, files, logs, platform, prepared
from jaxdqn.runs.errors import DIVERGED, Interrupted, RunError

FIELDS = (
    *("env", "agent", "steps", "recipe", "seed", "final_return", "best_return"),
    *("seconds", "hardware", "curve"),
)
"""`recipe` is the fingerprint of all hyperparameters, `seconds` the time of the run divided by its seeds (empty if
the run was stopped and continued, or diverged), and `curve` holds `env_steps:return` of each evaluation."""


def check(path: Path, recipe: Recipe, option: str) -> None:
    """Raises `ConfigError`, for the `option` that chooses the CSV file, if it has rows of the environment, agent and
    number of steps of `recipe` with other hyperparameters."""
    found = own(rows.read(path, FIELDS), recipe)
    for other in {row["recipe"] for row in found} - {fingerprint(recipe)}:
        rule = f"must not hold rows of {recipe.env_name}, {recipe.agent_name} with other hyperparameters ({other}); "
        raise ConfigError(option, path, rule + f"delete them or choose another --{option}.")


def fill(
    path: Path, recipe: Recipe, seeds: Sequence[int], out: Path, group_size: int | None = None
) -> list[Row]:
    """The rows of `recipe` for `seeds`; those that the CSV file, which passed `check`, lacks are trained and added."""
    train_group = functools.partial(train, recipe, out=out)
    found = rows.fill(path, FIELDS, where(recipe), seeds, train_group, group_size)
    return [row for row in own(found, recipe) if int(row["seed"]) in seeds]


def where(recipe: Recipe) -> dict[str, str]:
    """What the rows of a recipe have in common."""
    return {"env": recipe.env_name, "agent": recipe.agent_name, "steps": str(recipe.steps)}


def own(found: Sequence[Row], recipe: Recipe) -> list[Row]:
    """Those of the rows that are of the environment, agent and number of steps of `recipe`."""
    return [row for row in found if where(recipe).items() <= row.items()]


def fingerprint(recipe: Recipe) -> str:
    """Eight digits that change with any hyperparameter."""
    numbers = recipe.hyperparameters(recipe.config) | {"obs_scale": recipe.obs_scale}
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:8]


def train(recipe: Recipe, seeds: Sequence[int], out: Path) -> list[Row]:
    """One row per seed.

    Consecutive seeds are trained in one run directory in `out`, as by `train.py`; a training that was
    stopped continues there, and one that ended is not repeated.
    """
    found: list[Row] = []
    for _, stretch in itertools.groupby(enumerate(seeds), lambda pair: pair[1] - pair[0]):
        own = [seed for _, seed in stretch]
        outcome = run(recipe, own, out)
        seconds = None if outcome.seconds is None else outcome.seconds / len(own)
        for k, seed in enumerate(own):
            curve = [(steps, returns[k]) for steps, returns in outcome.curve]
            found.append(
                {
                    "env": recipe.env_name,
                    "agent": recipe.agent_name,
                    "steps": str(recipe.steps),
                    "recipe": fingerprint(recipe),
                    "seed": str(seed),
                    "final_return": cell(outcome.final[k]),
                    "best_return": cell(outcome.best[k]),
                    "seconds": "" if seconds is None else f"{seconds:.1f}",
                    "hardware": hardware(),
                    "curve": " ".join(f"{steps}:{cell(x, '.4g')}" for steps, x in curve),
                }
            )
    return found


class Outcome(NamedTuple):
    """Returns of S seeds; None stands for one that is not finite."""

    final: list[float | None]
    best: list[float | None]
    curve: list[tuple[int, list[float | None]]]
    """Environment steps and returns of each evaluation; empty if all seeds diverged."""
    seconds: float | None
    """Time of the run; None if more than one process has trained, or all seeds diverged."""


def run(recipe: Recipe, seeds: Sequence[int], out: Path) -> Outcome:
    """Trains consecutive seeds, or reads what an earlier call left."""
    args = experiment.Args(steps=recipe.steps, seeds=len(seeds), seed=seeds[0])
    recipe, args = experiment.complete(recipe, args)
    name = recipe.env_name.replace("/", "-").replace(":", "-")
    name += f"-{recipe.agent_name}-{recipe.steps}-{seeds[0]}-{seeds[-1]}"
    run_dir = out / name
    resume = run_dir.exists()
    directory.create(run_dir, out, experiment.run_config(recipe, args), resume)
    path = run_dir / "result.json"
    if not path.exists():
        agents = prepared.population(recipe, seeds)
        try:
            prepared.prepare(recipe, args, agents).run(run_dir, resume, quiet=False)
        except Interrupted as error:
            raise RunError(f"{error} The same command continues.", error.exit_code) from None
        except RunError as error:
            if error.exit_code != DIVERGED:
                raise
            # All seeds diverged, which is a result; the next agent follows.
            none = [None] * len(seeds)
            directory.write_json(path, {"final_return": none, "best_return": none})
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)  # They hold gigabytes of replay.
    result = files.decode(path, files.read_bytes(path, 1_000_000_000), dict[str, Any])
    log = logs.read(run_dir, len(seeds)) if "seconds" in result else []
    curve = [(row["env_steps"], row["eval_return"]) for row in log]
    seconds = None if resume or "seconds" not in result else result["seconds"]["run"]
    return Outcome(result["final_return"], result["best_return"], curve, seconds)


def cell(value: float | None, spec: str = ".4f") -> str:
    """A return in a CSV file; one that is not finite counts as the lowest."""
    return format(LOWEST if value is None else value, spec)


def curve_of(row: Row) -> tuple[list[int], list[float]]:
    """Environment steps and returns of the evaluations of a row."""
    points = [point.split(":") for point in row["curve"].split()]
    return [int(steps) for steps, _ in points], [float(value) for _, value in points]


def hardware() -> str:
    """The device of JAX, such as `2 CPU cores`."""
    device = jax.devices()[0]
    on_cpu = device.platform == "cpu"
    return cli.count(platform.cores(), "CPU core") if on_cpu else device.device_kind
