"""Replays the trained policy of a run, greedily or with random actions, and draws an animation of it.

    python experiments/watch.py runs/double
    python experiments/watch.py runs/double --epsilon 0.1

The policy is that of `jaxdqn.load`, so that a run whose recipe was edited in code cannot be played.
Where there is an independent implementation of the environment, in which the policy was not
trained, it is played there too, if the optional package is installed: Gymnasium for CartPole,
Acrobot and MountainCar, the original MinAtar for its games under both protocols.
"""

import importlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxdqn
from jaxdqn.config import UNIT, check_at_least, require
from jaxdqn.recipes import Recipe
from jaxdqn.runs import cli, platform, render, signals, trained

IN_GYMNASIUM = "CartPole-v1", "Acrobot-v1", "MountainCar-v0"
"""Environments that gymnax and Gymnasium both have, with the same observations."""
IN_MINATAR = re.compile(r"(minatar-paper/)?([A-Z]\w+?)(-MinAtar)?")
"""`minatar-paper/Breakout` and `Breakout-MinAtar`: groups are the prefix, the game and the suffix."""
MAX_STEPS = 100_000
"""Steps of an episode without a time limit, as in `evaluation.evaluate`."""
MOST_ELSEWHERE = 1_000
"""Episodes in another implementation at most: its environments are Python objects."""


@dataclass(frozen=True)
class Args(trained.Args):
    """Replay the trained policy of a run, and draw an animation of it."""

    episodes: int = 100
    """Episodes in each implementation; at least 1."""
    seed: int = 0
    """Seed of the initial states; at least 0."""
    epsilon: float = 0.0
    """Probability of a random action at each step, in [0, 1]; 0 is greedy."""
    env: str | None = None
    """The environment of the run, needed if it is MODULE:FUNCTION: code that a run directory must not choose."""


class Other(NamedTuple):
    """An independent implementation of an environment."""

    label: str
    package: str
    """The name of the package, and of the extra that installs it."""
    make: Callable[[Recipe, int], Any]
    """`(recipe, num_envs) -> env`, with `reset` and `step` of Gymnasium's `VectorEnv`."""


def find_other(env_name: str) -> Other | None:
    """The independent implementation of an environment, None if there is none."""
    if env_name in IN_GYMNASIUM:
        return Other("Gymnasium", "gymnasium", make_gymnasium)
    found = IN_MINATAR.fullmatch(env_name)
    if found and bool(found[1]) != bool(found[3]):
        return Other("MinAtar", "minatar", MinAtar)
    return None


def make_gymnasium(recipe: Recipe, num_envs: int) -> Any:
    """Environments of Gymnasium, which reset themselves."""
    package = importlib.import_module("gymnasium")
    return package.make_vec(recipe.env_name, num_envs=num_envs, vectorization_mode="sync")


class MinAtar:
    """Games of the original package, which do nothing after their end."""

    def __init__(self, recipe: Recipe, num_envs: int) -> None:
        package = importlib.import_module("minatar")
        found = IN_MINATAR.fullmatch(recipe.env_name)
        assert found
        module, sticky = (
            re.sub(r"(?<=[a-z])([A-Z])", r"_\1", found[2]).lower(),
            0.1 if found[1] else 0.0,
        )
        self.games = [
            package.Environment(module, sticky_action_prob=sticky) for _ in range(num_envs)
        ]
        self.actions = range(6) if found[1] else self.games[0].minimal_action_set()
        self.time_limit, self.time = recipe.env.time_limit or MAX_STEPS, 0

    def reset(self, seed: int) -> tuple[np.ndarray, dict]:
        """The games at their start; their seeds count up from `seed`."""
        for k, game in enumerate(self.games):
            game.seed(seed + k)
            game.reset()
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool, dict]:
        """`(obs, reward, terminated, truncated, info)`."""
        self.time += 1
        found = [game.act(self.actions[a]) for game, a in zip(self.games, action, strict=True)]
        reward, terminated = (np.array(x) for x in zip(*found, strict=True))
        return self._obs(), reward, terminated, self.time >= self.time_limit, {}

    def _obs(self) -> np.ndarray:
        return np.stack([game.state() for game in self.games])


def play(env: Any, act: Callable[[Any], Any], num_envs: int, seed: int) -> np.ndarray:
    """Returns of one episode in each of the `num_envs` environments of an independent implementation."""
    obs, _ = env.reset(seed=seed)
    returns, running = np.zeros(num_envs), np.ones(num_envs, bool)
    # Environments may reset themselves; only their first episodes count.
    while running.any():
        obs, reward, terminated, truncated, _ = env.step(act(obs))
        returns += np.where(running, reward, 0.0)
        running &= ~(terminated | truncated)
    return returns


@signals.ending_at_once("stopped.")
def main(args: Args) -> None:
    """Loads the policy, plays it, prints the returns and draws the animation."""
    check_at_least("episodes", args.episodes, 1)
    check_at_least("seed", args.seed, 0)
    require("epsilon", args.epsilon, *UNIT)
    platform.configure()
    platform.start_backend()
    policy = jaxdqn.load(args.run_dir, args.which, args.policy_seed, args.env)
    recipe = policy.recipe
    found: dict[str, Any] = {}
    found["jaxdqn"] = policy.evaluate(args.episodes, args.seed, args.epsilon).returns
    other = find_other(recipe.env_name)
    installed = other is not None and importlib.util.find_spec(other.package) is not None
    if other is not None and installed:
        episodes = min(args.episodes, MOST_ELSEWHERE)
        env = other.make(recipe, episodes)
        act = policy.epsilon_greedy(args.epsilon, args.seed)
        found[other.label] = play(env, act, episodes, args.seed)
    explored = f", a random action with probability {args.epsilon:g}" if args.epsilon else ""
    cli.say(f"Policy: {args.which} parameters of seed {policy.seed}{explored}.")
    for name, returns in found.items():
        mean, deviation, lowest = np.mean(returns), np.std(returns), np.min(returns)
        cli.say(
            f"{name}: return {mean:.4g} ± {deviation:.3g} (mean ± standard deviation "
            f"of {len(returns)} episodes), lowest {lowest:.4g}"
        )
    if other is not None and not installed:
        cli.say(f'{other.label}: not installed; pip install -e ".[{other.package}]"')
    # The file `policy.gif` is that of the run.
    key, shown = jax.random.key(args.seed), recipe.policy(epsilon=args.epsilon)
    drawn = args.run_dir, "watch", key, policy.params, recipe.env, shown
    for path in render.draw(*drawn)[0]:
        cli.say(f"Picture: {path}.")


if __name__ == "__main__":
    cli.main(Args, main)
