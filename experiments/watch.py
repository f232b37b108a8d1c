"""Replays the trained policy of a run, greedily, in gymnax and in Gymnasium.

    python experiments/watch.py runs/rainbow

Gymnasium's CartPole-v1 is an independent implementation of the environment, in which the
policy was not trained. It is used if the optional package is installed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from jaxdqn import envs, evaluation, policies
from jaxdqn.config import check_at_least
from jaxdqn.policies import Policy
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, directory, platform, policy_file, render
from jaxdqn.runs.errors import DAMAGED, RunError

try:
    import gymnasium
except ImportError:
    gymnasium = None


@dataclass(frozen=True)
class Args:
    """Replay the trained policy of a run, and draw an animation of it."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Run directory of cartpole.py."""
    episodes: int = 100
    """Episodes in each of the two implementations; at least 1."""
    seed: int = 0
    """Seed of the initial states; at least 0."""


def play_gymnasium(policy: Policy, params: Any, episodes: int, seed: int) -> list[float] | None:
    """Returns of one episode in each of `episodes` environments; None without the optional package."""
    if gymnasium is None:
        return None
    act = jax.jit(policy)
    env = gymnasium.make_vec("CartPole-v1", num_envs=episodes, vectorization_mode="sync")
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
    """Loads the policy, plays it in both implementations, prints the returns and draws the animation."""
    check_at_least("episodes", args.episodes, 1)
    check_at_least("seed", args.seed, 0)
    platform.configure()
    config = directory.read_config(args.run_dir)["config"]
    if config.get("agent") not in classic.AGENTS:
        path = args.run_dir / "config.json"
        raise RunError(f"{path} must be that of a run of cartpole.py.", DAMAGED)
    env = envs.from_gymnax(config["env"], args.episodes)
    agent = classic.make_agent(
        config["agent"], env.num_actions, config["features"], tuple(config["obs_scale"])
    )
    init_key, reset_key, play_key, episode_key = jax.random.split(jax.random.key(args.seed), 4)
    template = agent.init(init_key, env.reset(reset_key)[1])
    params = policy_file.load_policy(args.run_dir / "policy", template)
    policy = policies.greedy(agent.q_values)

    play = jax.jit(lambda key, params: evaluation.evaluate(key, params, env, policy))
    found = {
        "gymnax": play(play_key, params),
        "Gymnasium": play_gymnasium(policy, params, args.episodes, args.seed),
    }
    for name, returns in found.items():
        if returns is None:
            cli.say(f'{name}: not installed; pip install -e ".[gymnasium]"')
            continue
        mean, deviation, lowest = np.mean(returns), np.std(returns), np.min(returns)
        cli.say(
            f"{name}: return {mean:.1f} ± {deviation:.1f} (mean ± standard deviation "
            f"of {args.episodes} episodes), lowest {lowest:.0f}"
        )
    episode = render.episode(episode_key, params, envs.from_gymnax(config["env"], 1), policy)
    render.gif(args.run_dir / "policy.gif", episode)
    cli.say(f"Animation: {args.run_dir / 'policy.gif'}.")


if __name__ == "__main__":
    cli.main(Args, main)
