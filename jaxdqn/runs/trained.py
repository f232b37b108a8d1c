"""A trained policy of a run, from NumPy observations to NumPy actions."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import tyro
from numpy.typing import ArrayLike

from jaxdqn.config import UNIT, Config, ConfigError, check_at_least, require
from jaxdqn.evaluation import Evaluation
from jaxdqn.networks import Params
from jaxdqn.recipes import Recipe
from jaxdqn.runs import hardware, logs, policy_file, saved
from jaxdqn.runs.errors import RunError
from jaxdqn.training import population

Which = Literal["best", "final"]
"""Parameters: of the best evaluation, which is biased upwards, or after the last update."""
FILES: dict[Which, str] = {"best": policy_file.BEST, "final": policy_file.FINAL}


@dataclasses.dataclass(frozen=True)
class Args:
    """Options of a program that reads a trained policy."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Run directory of a training."""
    which: Which = "final"
    """Parameters: after the last update, or of the best evaluation."""
    policy_seed: int | None = None
    """Seed of the run whose policy is taken; by default that with the highest return."""


@dataclasses.dataclass(frozen=True)
class TrainedPolicy:
    """The policy of one seed of a run; `load` returns it.

    Observations are one, `[*obs]`, or many, `[..., *obs]`; a new shape is compiled at its first use.
    """

    recipe: Recipe
    """Environment, agent and hyperparameters; `recipe.env` is the environment."""
    seed: int
    """The seed with which it was trained."""
    params: Params
    """Parameters of the network, as JAX arrays."""

    @property
    def config(self) -> Config:
        """The hyperparameters of the run."""
        return self.recipe.config

    def q_values(self, obs: ArrayLike) -> np.ndarray:
        """Action values `[..., A]` float32; raises `ValueError` if `obs` has another shape."""
        given, shape = np.asarray(obs, self._obs.dtype), self._obs.shape[1:]
        leading = given.shape[: given.ndim - len(shape)]
        if given.shape[len(leading) :] != shape:
            rule = f"must be {list(shape)}, or [..., {', '.join(map(str, shape))}] for many"
            raise ValueError(f"obs {list(given.shape)} {rule}.")
        batch = given.reshape(-1, *shape)
        q = np.asarray(self._program(self.params, batch))
        return q.reshape(*leading, q.shape[-1])

    def act(self, obs: ArrayLike) -> np.ndarray:
        """The action `[...]` with the highest value, an integer for one observation."""
        return np.argmax(self.q_values(obs), axis=-1)

    def epsilon_greedy(
        self, epsilon: float, seed: int = 0
    ) -> Callable[[ArrayLike], np.ndarray | np.generic]:
        """`act`, but each action is with probability `epsilon` a uniform one, from a generator with `seed`.

        Raises `ConfigError` if `epsilon` is not in [0, 1].
        """
        require("epsilon", float(epsilon), *UNIT)
        rng, num_actions = np.random.default_rng(seed), self.recipe.env.num_actions

        def act(obs: ArrayLike) -> np.ndarray | np.generic:
            greedy = self.act(obs)
            uniform = rng.integers(num_actions, size=greedy.shape)
            return np.where(rng.random(greedy.shape) < epsilon, uniform, greedy)[()]

        return act

    def evaluate(self, num_episodes: int = 100, seed: int = 0, epsilon: float = 0.0) -> Evaluation:
        """Returns and lengths `[num_episodes]` of episodes whose initial states depend on `seed`.

        Greedy; with `epsilon` each action is a uniform one with that probability. Raises `ConfigError`
        if it is not in [0, 1], or if the episodes do not fit into the free memory.
        """
        check_at_least("num_episodes", num_episodes, 1)
        key = jax.random.key(seed)
        evaluate = self.recipe.evaluate(num_episodes, epsilon=epsilon)
        program = jax.jit(evaluate).lower(key, self.params).compile()
        needed, free = hardware.program_bytes([program], population.layout(1))
        if needed > free:
            rule = f"take {hardware.shown(needed)} of memory; {hardware.shown(free)} are free."
            raise ConfigError("episodes", num_episodes, rule)
        return jax.device_get(program(key, self.params))

    @functools.cached_property
    def _obs(self) -> jax.ShapeDtypeStruct:
        # The environment is traced for it, which takes longer than an action.
        return self.recipe.obs(1)

    @functools.cached_property
    def _program(self) -> Callable[[Params, np.ndarray], jax.Array]:
        return jax.jit(self.recipe.agent().q_values)


def load(
    run_dir: str | Path, which: Which = "best", seed: int | None = None, env: str | None = None
) -> TrainedPolicy:
    """The trained policy of the run at `run_dir`, a directory that `train.py` or `cartpole.py` wrote.

    `which` chooses the parameters: of the `"best"` evaluation, which is biased upwards, or the
    `"final"` ones. `seed` is one of the run; by default that with the highest return in this evaluation.
    The network and the environment are those of `recipes.find`, so that a recipe that was
    edited in code cannot be loaded. Executes nothing in the directory; an environment of your own
    is imported only if `env="module:function"` names it.

    Raises `RunError` if `run_dir` is no run, has no policy yet, is damaged, or its environment cannot
    be imported; `ConfigError` if `which` or `seed` is invalid.
    """
    if which not in FILES:
        raise ConfigError("which", which, f"must be one of {', '.join(FILES)}.")
    run_dir = Path(run_dir)
    recipe, seeds = saved.load_recipe(run_dir, env)
    file = run_dir / "policy" / FILES[which]
    if not file.exists():
        rule = "does not exist; a run writes its policies when it ends or is stopped"
        raise RunError(f"{file} {rule}.")
    if seed is None:
        seed = best_seed(run_dir, which, seeds)
    params = saved.load_policy(run_dir, saved.network(recipe), seeds, seed, file.name)
    return TrainedPolicy(recipe, seed, params)


def best_seed(run_dir: Path, which: Which, seeds: Sequence[int]) -> int:
    """The seed with the highest return of the best or of the final evaluation, the first of equal ones."""
    if len(seeds) == 1:
        return seeds[0]
    rows = logs.read(run_dir, len(seeds))
    rows = rows if which == "best" else rows[-1:]
    returns = np.array([row["eval_return"] for row in rows], float)
    highest = np.where(np.isnan(returns), -math.inf, returns).max(axis=0)
    return seeds[int(np.argmax(highest))]
