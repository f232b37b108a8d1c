"""The policies of a run: saved for all seeds, exported, drawn, and loaded again."""

import dataclasses
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jax
import msgspec

from jaxdqn import recipes
from jaxdqn.config import ConfigError
from jaxdqn.networks import Params
from jaxdqn.recipes import Recipe
from jaxdqn.runs import directory, export, files, loop, policy_file, render
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.runs.schema import PolicyFile


def network(recipe: Recipe) -> policy_file.Network:
    """The network of a recipe, for the functions below."""
    return policy_file.network(recipe.agent(), recipe.obs(1))


def save(network: policy_file.Network, run_dir: Path, found: loop.Policies) -> None:
    """Writes the parameters of all seeds to `policy/`."""
    for name, params in ((policy_file.FINAL, found.final), (policy_file.BEST, found.best)):
        policy_file.save(run_dir / "policy" / name, params, network.order)


def save_snapshot(
    network: policy_file.Network, run_dir: Path, env_steps: int, params: Params
) -> None:
    """Writes parameters `[1, ...]` of the first seed during training to `policy/`."""
    path = run_dir / "policy" / policy_file.SNAPSHOT.format(env_steps)
    policy_file.save(path, params, network.order)


def export_first(
    recipe: Recipe, final: Any, run_dir: Path, seed: int
) -> tuple[list[Path], render.EpisodeRecord | None]:
    """Writes the final policy of the first seed as StableHLO and as a picture.

    Returns the path of the picture and the episode that it shows.
    """
    policy, first = recipe.policy(), jax.tree.map(lambda x: x[0], final)
    try:
        export.stablehlo(run_dir / "policy" / "final.stablehlo", policy, first, recipe.obs(1))
    except Exception as error:  # A network of the user may depend on the size of the batch.
        reason = (str(error).strip().splitlines() or [""])[0]
        print(f"warning: no final.stablehlo: {type(error).__name__}: {reason}", file=sys.stderr)
    key = jax.random.fold_in(jax.random.key(seed), 1)
    return render.draw(run_dir, "policy", key, first, recipe.env, policy)


def load_recipe(run_dir: Path, env: str | None = None) -> tuple[Recipe, Sequence[int]]:
    """The recipe and the seeds of the run at `run_dir`; raises `RunError` if its `config.json` is invalid.

    The function of an environment MODULE:FUNCTION is called only if `env` names it too, since a
    file must not choose which code is executed.
    """
    path, saved = run_dir / "config.json", directory.read_config(run_dir, PolicyFile).config
    if ":" in saved.env and saved.env != env:
        name = shlex.quote(saved.env)
        rule = f"has an environment of your own ({saved.env}); to execute it, add --env {name}"
        raise RunError(f"{path} {rule}.", DAMAGED)
    try:
        recipe = recipes.find(saved.env, cast(Any, saved.agent))
        found = msgspec.to_builtins(saved.config)  # Without the fields that are not given.
        for name in sorted(found.keys() ^ recipe.hyperparameters(recipe.config).keys()):
            rule = "must not be given" if name in found else "must be given"
            raise ConfigError(name, found.get(name), f"{rule} for {saved.agent} on {saved.env}.")
        numbers = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        config, scale = dataclasses.replace(recipe.config, **numbers), saved.obs_scale
        recipe.check(config, saved.steps)
    except ConfigError as error:
        fields = {name: f"config.{name}" for name in ("env", "agent", "steps")}
        field = fields.get(error.option, f"config.config.{error.option}")
        raise files.invalid(path, field, error.value, error.rule) from None
    scale = tuple(scale) if isinstance(scale, list) else scale
    shape = recipe.obs(1).shape[1:]
    width = shape[-1] if "channels" in recipe.algorithm.fields else math.prod(shape)
    if isinstance(scale, tuple) and len(scale) != width:
        rule = f"must be a number or {width} numbers for observations {list(shape)}."
        raise files.invalid(path, "config.obs_scale", saved.obs_scale, rule)
    seeds = range(saved.seed, saved.seed + saved.seeds)
    return dataclasses.replace(recipe, config=config, obs_scale=scale), seeds


def load_policy(
    run_dir: Path, network: policy_file.Network, seeds: Sequence[int], seed: int | None, file: str
) -> Params:
    """The parameters of one seed, by default the first, from a file of `policy/`."""
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise ConfigError(
            "policy_seed", seed, f"must be a seed of the run, {seeds[0]} to {seeds[-1]}."
        )
    params = policy_file.load(run_dir / "policy" / file, network, len(seeds))
    return jax.tree.map(lambda x: x[seeds.index(seed)], params)
