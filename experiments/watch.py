"""A second look at a trained policy: plays what `cartpole.py` left in a run directory.

    python experiments/watch.py runs/cartpole/2026-01-31_12-00-00

Greedily, in gymnax and, where it is installed, in Gymnasium's own CartPole-v1, a
world of other authors that the policy has never seen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jaxdqn.config import check_at_least
from jaxdqn.runs import cli
from jaxdqn.runs.errors import DAMAGED, RunError


@dataclass(frozen=True)
class Args:
    """Plays the trained policy of a run and films it."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Directory that cartpole.py made."""
    episodes: int = 100
    """Episodes in each of the two worlds."""
    seed: int = 0
    """Of their initial states."""


def play_gymnasium(policy, params, episodes: int, seed: int) -> list[float] | None:
    """Returns of `episodes` episodes played together; None without the optional package."""
    try:
        import gymnasium
    except ImportError:
        return None
    import jax
    import numpy as np

    act = jax.jit(policy)
    world = gymnasium.make_vec("CartPole-v1", num_envs=episodes, vectorization_mode="sync")
    obs, _ = world.reset(seed=seed)
    returns, running = np.zeros(episodes), np.ones(episodes, bool)
    # Worlds begin again by themselves; only their first episodes count.
    while running.any():
        action = act(jax.random.key(0), params, obs.astype(np.float32))
        obs, reward, terminated, truncated, _ = world.step(np.asarray(action))
        returns += np.where(running, reward, 0.0)
        running &= ~(terminated | truncated)
    return returns.tolist()


def main(args: Args) -> None:
    """Loads, plays twice, prints both means with their spread, films."""
    check_at_least("episodes", args.episodes, 1)
    check_at_least("seed", args.seed, 0)
    from jaxdqn.runs import platform

    platform.configure()
    import jax
    import numpy as np

    from jaxdqn import envs, evaluation, policies
    from jaxdqn.recipes import classic
    from jaxdqn.runs import directory, policy_file, render

    choices = directory.read_config(args.run_dir)["choices"]
    if choices.get("agent") not in classic.AGENTS:
        raise RunError(f"{args.run_dir / 'config.json'} is not that of cartpole.py.", DAMAGED)
    env = envs.from_gymnax(choices["env"], args.episodes)
    agent = classic.make_agent(
        choices["agent"], env.num_actions, choices["features"], tuple(choices["obs_scale"])
    )
    init_key, reset_key, play_key, film_key = jax.random.split(jax.random.key(args.seed), 4)
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
        mean, spread, worst = np.mean(returns), np.std(returns), np.min(returns)
        cli.say(
            f"{name}: return {mean:.1f} ± {spread:.1f} (mean ± standard deviation "
            f"of {args.episodes} episodes), worst {worst:.0f}"
        )
    film = render.episode(film_key, params, envs.from_gymnax(choices["env"], 1), policy)
    render.gif(args.run_dir / "policy.gif", film)
    cli.say(f"Look at {args.run_dir / 'policy.gif'}.")


if __name__ == "__main__":
    cli.main(Args, main)
