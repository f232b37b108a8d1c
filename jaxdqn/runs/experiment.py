"""Body of `python -m jaxdqn` and `experiments/cartpole.py`: one run from its options to its results."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from jaxdqn import envs, policies
from jaxdqn.config import Config, check, check_at_least, floats
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, directory, export, hardware, loop, processes, render
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.hardware import Hardware
from jaxdqn.training import session
from jaxdqn.training.population import Hyperparameters, Population
from jaxdqn.training.trainer import Trainer


@dataclass(frozen=True)
class Args:
    """Train a deep Q-learning agent on CartPole-v1, evaluate it, save it and draw its curve."""

    steps: int = 50_000
    """Environment steps per seed, at most, including those before learning starts."""
    seeds: int = 1
    """Number of seeds, trained side by side in one program; at least 1."""
    seed: int = 0
    """First seed; the others are the integers after it; at least 0."""
    agent: classic.AgentName = "dqn"
    """Algorithm; see jaxdqn/agents/."""
    config: Config = field(default_factory=Config)
    eval_interval: int = 1_000
    """Environment steps between two evaluations; at least one iteration."""
    eval_episodes: int = 100
    """Episodes per evaluation, played greedily; at least 1."""
    checkpoint_interval: int = 10
    """Evaluations between two checkpoints; at least 1; the final state is always saved."""
    run_dir: Path | None = None
    """Run directory, new or empty; by default a new one under runs/cartpole/."""
    resume: bool = False
    """Continue the run in --run-dir."""
    quiet: bool = False
    """Print nothing but errors."""
    hardware: Annotated[Hardware, tyro.conf.arg(name="")] = field(default_factory=Hardware)


def run_config(args: Any) -> dict[str, Any]:
    """The key `config` of `config.json`: the options, without run directory, output and devices, and the constants."""
    config = dataclasses.asdict(args) | classic.CONSTANTS
    for name in ("run_dir", "resume", "quiet", "hardware"):
        del config[name]
    return config | hardware.shards(args.hardware)


def main(args: Args) -> None:
    """Trains into a run directory and prints the results."""
    config = args.config
    check(config, args.steps)
    for name in ("seeds", "eval_episodes", "eval_interval", "checkpoint_interval"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    hardware.start(args.hardware, args.seeds)
    layout = hardware.layout(args.hardware, args.seeds)
    agent = classic.make_agent(args.agent)

    def make_trainer(hyperparameters: Hyperparameters) -> Trainer:
        own = dataclasses.replace(config, **hyperparameters)
        return classic.make_trainer(args.agent, own, agent, args.steps, layout.data_shards)

    # The floats of the config are inputs of the program: changing them needs no compilation.
    agents = Population(
        range(args.seed, args.seed + args.seeds),
        {name: [x] * args.seeds for name, x in floats(config).items()},
    )
    trainer = make_trainer(agents.one(0))
    plan = loop.Plan(
        agents,
        args.steps,
        trainer.learning_starts,
        trainer.iteration_steps,
        args.eval_interval,
        args.checkpoint_interval,
    )
    loop.check(plan)
    lines = hardware.plan(agents, layout, lambda key, own: session.init(key, make_trainer(own)))
    run_dir, saved_config = processes.own_directory(args.run_dir), run_config(args)
    processes.require_same(saved_config)
    run_dir = directory.create(run_dir, Path("runs/cartpole"), saved_config, args.resume)
    quiet = args.quiet or processes.index() > 0
    say = (lambda line: None) if quiet else cli.say
    for line in (*lines, f"Run directory: {run_dir}"):
        say(line)

    evaluate = classic.make_evaluate(agent, args.eval_episodes)
    result, params = loop.train(make_trainer, evaluate, plan, layout, run_dir, args.resume, quiet)
    episode_key = jax.random.fold_in(jax.random.key(args.seed), 1)
    policy = policies.greedy(agent.q_values)
    env = envs.from_gymnax(classic.ENV, 1)
    _, obs = jax.eval_shape(env.reset, episode_key)
    export.stablehlo(run_dir / "policy" / "policy.stablehlo", policy, params, obs)
    render.gif(run_dir / "policy.gif", render.episode(episode_key, params, env, policy))
    for seed, final, best in zip(
        result.seeds, result.final_return, result.best_return, strict=True
    ):
        best_evaluation = f", best evaluation {best:.1f}" if best is not None else ""
        say(f"Seed {seed}: final evaluation return {final:.1f}{best_evaluation}.")
    say(f"Results: {run_dir / 'curve.png'} and {run_dir / 'policy.gif'}.")
    diverged = [
        str(seed) for seed, at in zip(result.seeds, result.diverged, strict=True) if at is not None
    ]
    if diverged:
        raise RunError(
            f"training of seed {', '.join(diverged)} diverged (non-finite loss); "
            "the other seeds are finished.",
            DIVERGED,
        )
