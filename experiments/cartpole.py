"""Trains deep Q-learning on CartPole, shows it, saves it. All choices are on this page,
the networks and the family's on the next, members.py.

python experiments/cartpole.py
python experiments/cartpole.py --agent double --seeds 8 --seed 100 --config.gamma 0.98
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments import members
from experiments.members import ENV, NOISY, PRIORITIZED, AgentName, make_agent
from jaxdqn.config import Config, ConfigError, check, check_at_least, fill, floats, num_iterations
from jaxdqn.runs import cli, hardware
from jaxdqn.runs.errors import DIVERGED, RunError
from jaxdqn.runs.hardware import Hardware

# PQN learns from long rollouts instead of replay.
PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES = 32, 4, 8


@dataclass(frozen=True)
class Args:
    """Trains deep Q-learning on CartPole, shows it, saves it."""

    steps: int = 50_000
    """World steps of each seed, warm-up included: at most this many."""
    seeds: int = 1
    """Agents trained side by side, in one program."""
    seed: int = 0
    """Seed of the first; the others follow it by one each."""
    agent: AgentName = "dqn"
    """What is learnt: see jaxdqn/agents/."""
    config: Config = field(default_factory=Config)
    chunk_steps: int = 1_000
    """World steps between two evaluations."""
    eval_episodes: int = 100
    """Episodes in an evaluation, greedy."""
    save_period: int = 10
    """Evaluations between two checkpoints; the end is always saved."""
    run_dir: Path | None = None
    """Directory of the run; by default a new one under runs/cartpole/."""
    resume: bool = False
    """Go on with the run in --run-dir."""
    quiet: bool = False
    """Print nothing but errors."""
    hardware: Annotated[Hardware, tyro.conf.arg(name="")] = field(default_factory=Hardware)


def make_trainer(name: str, config: Config, agent, total_steps: int, data_shards: int = 1):
    """Training of the agent called `name`; learning rate and exploration fall over `total_steps`."""
    import jax.numpy as jnp
    import optax

    from jaxdqn import envs, pqn, prioritized, replay, sharding, training

    def optimizer(num_updates: int) -> optax.GradientTransformation:
        learning_rate = optax.linear_schedule(config.learning_rate, 0.0, num_updates)
        return optax.chain(
            sharding.mean_gradients() if data_shards > 1 else optax.identity(),
            optax.clip_by_global_norm(config.max_grad_norm),
            optax.adam(learning_rate, eps=config.adam_epsilon),
        )

    def epsilon(world_steps):
        progress = (
            data_shards * world_steps / jnp.maximum(config.epsilon_decay_rate * total_steps, 1.0)
        )
        fall = config.epsilon_start - config.epsilon_end
        return config.epsilon_start - fall * jnp.minimum(progress, 1.0)

    part = sharding.part(fill(config, total_steps), data_shards)
    env = envs.from_gymnax(ENV, part.num_envs)
    if name == "pqn":
        if data_shards > 1:
            rule = "must be 1 for pqn, which has no replay to share."
            raise ConfigError("data_shards", data_shards, rule)
        num_updates = total_steps // (PQN_STEPS * env.num_envs) * PQN_EPOCHS * PQN_MINIBATCHES
        shape = PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES
        return pqn.pqn(env, agent, optimizer(num_updates), epsilon, *shape, config.gamma)
    memory = replay.uniform if name not in PRIORITIZED else prioritized.prioritized
    trainer = training.dqn(
        part,
        env,
        agent,
        memory(part.capacity, part.batch_size, part.n_step),
        optimizer(num_iterations(config, total_steps) * config.num_updates),
        epsilon if name not in NOISY else lambda world_steps: 0.0,
    )
    return sharding.whole(trainer, data_shards) if data_shards > 1 else trainer


def make_evaluate(agent, num_episodes: int):
    """Plays greedily, one episode in each of `num_episodes` worlds: `(key, params) -> returns`."""
    from jaxdqn import envs, evaluation, policies

    env, policy = envs.from_gymnax(ENV, num_episodes), policies.greedy(agent.q_values)
    return lambda key, params: evaluation.evaluate(key, params, env, policy)


def choices(args: Args) -> dict:
    """What makes a run this run; not where it is kept and what is said about it."""
    chosen = dataclasses.asdict(args) | members.CHOICES
    chosen["pqn"] = PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES
    for name in ("run_dir", "resume", "quiet", "hardware"):
        del chosen[name]
    return chosen | hardware.shares(args.hardware)


def main(args: Args) -> None:
    """Trains by `args` into a run directory and says what came out."""
    config = args.config
    check(config, args.steps)
    for name in ("seeds", "eval_episodes", "chunk_steps", "save_period"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("seed", args.seed, 0)
    seeds = range(args.seed, args.seed + args.seeds)
    hardware.start(args.hardware, args.seeds)
    layout = hardware.layout(args.hardware, args.seeds)
    import jax

    from jaxdqn import envs, policies, session
    from jaxdqn.population import Members
    from jaxdqn.runs import directory, export, loop, processes, render

    agent = make_agent(args.agent)

    def trainer(settings):
        own = dataclasses.replace(config, **settings)
        return make_trainer(args.agent, own, agent, args.steps, layout.data_shards)

    # Floats are data: another learning rate is the same program, and need not be compiled.
    all_members = Members(seeds, {name: [x] * args.seeds for name, x in floats(config).items()})
    first = trainer(all_members.one(0))
    plan = loop.Plan(
        all_members,
        args.steps,
        first.warmup_steps,
        first.iteration_steps,
        args.chunk_steps,
        args.save_period,
    )
    loop.check(plan)
    lines = hardware.plan(all_members, layout, lambda key, own: session.init(key, trainer(own)))
    run_dir, chosen = processes.own_directory(args.run_dir), choices(args)
    processes.require_same(chosen)
    run_dir = directory.claim(run_dir, Path("runs/cartpole"), chosen, args.resume)
    quiet = args.quiet or processes.index() > 0
    say = (lambda line: None) if quiet else cli.say
    for line in (*lines, f"Run directory: {run_dir}"):
        say(line)

    evaluate = make_evaluate(agent, args.eval_episodes)
    result, params = loop.train(trainer, evaluate, plan, layout, run_dir, args.resume, quiet)
    film_key = jax.random.fold_in(jax.random.key(args.seed), 1)
    policy = policies.greedy(agent.q_values)
    env = envs.from_gymnax(ENV, 1)
    _, obs = jax.eval_shape(env.reset, film_key)
    export.stablehlo(run_dir / "policy" / "policy.stablehlo", policy, params, obs)
    film = render.episode(film_key, params, env, policy)
    render.gif(run_dir / "policy.gif", film)
    outcomes = zip(result.seeds, result.final_return, result.best_return, strict=True)
    for seed, final, best in outcomes:
        at_best = f", {best:.1f} at its best" if best is not None else ""
        say(f"Seed {seed}: greedy return {final:.1f} at the end{at_best}.")
    say(f"Look at {run_dir / 'curve.png'} and {run_dir / 'policy.gif'}.")
    lost = [seed for seed, at in zip(result.seeds, result.diverged, strict=True) if at is not None]
    if lost:
        names = ", ".join(map(str, lost))
        raise RunError(
            f"the loss of seed {names} is no longer finite; the others are done.", DIVERGED
        )


if __name__ == "__main__":
    cli.main(Args, main)
