"""A program that trains on the chain for a few seconds, for tests that stop and resume it."""

from dataclasses import dataclass
from pathlib import Path

from helpers.envs import chain
from helpers.training import chain_trainer

from jaxdqn import agents, evaluation, networks, policies
from jaxdqn.runs import cli, directory, loop
from jaxdqn.runs.plan import Plan
from jaxdqn.training import population
from jaxdqn.training.population import Population


@dataclass(frozen=True)
class Args:
    """Trains on the chain in 200 chunks, with a checkpoint after each."""

    run_dir: Path
    """Directory of the run."""
    resume: bool = False
    """Continue the run in run-dir."""


def main(args: Args) -> None:
    """Trains two agents and writes the run directory."""
    policy = policies.greedy(agents.dqn(networks.QNetwork(networks.mlp(()), 2)).q_values)
    env = chain(num_envs=6, time_limit=4)

    def evaluate(key, params):
        return evaluation.evaluate(key, params, env, policy)

    trainer = chain_trainer()
    run_dir = directory.create(args.run_dir, args.run_dir, {}, args.resume)
    plan = Plan(
        Population([3, 4]),
        total_steps=80 + 200 * 800,
        learning_starts=80,
        iteration_steps=8,
        eval_interval=800,
        checkpoint_interval=1,
    )
    layout = population.layout(2)
    loop.train(lambda _: trainer, evaluate, plan, layout, run_dir, args.resume, quiet=True)


if __name__ == "__main__":
    cli.main(Args, main)
