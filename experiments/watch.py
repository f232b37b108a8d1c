"""Replays the trained policy of a run greedily, and draws an animation of it.

    python experiments/watch.py runs/rainbow

The network and the environment are rebuilt by `recipes.find`, so that a run whose recipe was edited
in code cannot be played. Policies for CartPole, Acrobot and MountainCar are also played in
Gymnasium, an independent implementation in which they were not trained, if the optional package is
installed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from jaxdqn import policies
from jaxdqn.config import check_at_least
from jaxdqn.policies import Policy
from jaxdqn.runs import cli, platform, policy_file, render, saved

try:
    import gymnasium
except ImportError:
    gymnasium = None

IN_GYMNASIUM = "CartPole-v1", "Acrobot-v1", "MountainCar-v0"
"""Environments that gymnax and Gymnasium both have, with the same observations."""


@dataclass(frozen=True)
class Args:
    """Replay the trained policy of a run, and draw an animation of it."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Run directory of cartpole.py or train.py."""
    which: Literal["final", "best"] = "final"
    """Parameters: after the last update, or of the best evaluation."""
    policy_seed: int | None = None
    """Seed of the run whose policy is played; by default the first."""
    episodes: int = 100
    """Episodes in each implementation; at least 1."""
    seed: int = 0
    """Seed of the initial states; at least 0."""


def play_gymnasium(name: str, policy: Policy, params: Any, episodes: int, seed: int) -> list[float]:
    """Returns of one episode in each of `episodes` environments."""
    assert gymnasium is not None
    act = jax.jit(policy)
    env = gymnasium.make_vec(name, num_envs=episodes, vectorization_mode="sync")
    obs, _ = env.reset(seed=seed)
    returns, running = np.zeros(episodes), np.ones(episodes, bool)
    # Environments reset themselves; only their first episodes count.
    while running.any():
        action = act(jax.random.key(0), params, obs.astype(np.float32))
        obs, reward, terminated, truncated, _ = env.step(np.asarray(action))
        returns += np.where(running, reward, 0.0)
        running &= ~(terminated | truncated)
    return returns.tolist()


def main(args: Args) -> None:
    """Loads the policy, plays it, prints the returns and draws the animation."""
    check_at_least("episodes", args.episodes, 1)
    check_at_least("seed", args.seed, 0)
    platform.configure()
    recipe, seeds = saved.load_recipe(args.run_dir)
    file = {"final": policy_file.FINAL, "best": policy_file.BEST}[args.which]
    params = saved.load_policy(args.run_dir, recipe, seeds, args.policy_seed, file)
    policy = policies.greedy(recipe.agent().q_values)

    play_key, episode_key = jax.random.split(jax.random.key(args.seed))
    found = {"jaxdqn": jax.jit(recipe.evaluate(args.episodes))(play_key, params).returns}
    if recipe.env_name in IN_GYMNASIUM and gymnasium is not None:
        found["Gymnasium"] = play_gymnasium(
            recipe.env_name, policy, params, args.episodes, args.seed
        )
    for name, returns in found.items():
        mean, deviation, lowest = np.mean(returns), np.std(returns), np.min(returns)
        cli.say(
            f"{name}: return {mean:.4g} ± {deviation:.3g} (mean ± standard deviation "
            f"of {args.episodes} episodes), lowest {lowest:.4g}"
        )
    if recipe.env_name in IN_GYMNASIUM and gymnasium is None:
        cli.say('Gymnasium: not installed; pip install -e ".[gymnasium]"')
    # The file `policy.gif` is that of the run.
    for path in render.draw(args.run_dir, "watch", episode_key, params, recipe.env, policy):
        cli.say(f"Picture: {path}.")


if __name__ == "__main__":
    cli.main(Args, main)
