"""A training of seconds, on the chain, to be killed and resumed. Used by the tests only."""

from dataclasses import dataclass
from pathlib import Path

from jaxdqn.runs import cli


@dataclass(frozen=True)
class Args:
    """Trains on the chain, in 200 chunks, and saves after each."""

    run_dir: Path
    """Directory of the run."""
    resume: bool = False
    """Go on with it."""


def main(args: Args) -> None:
    from test_training import chain_trainer
    from worlds import chain

    from jaxdqn import agents, evaluation, networks, policies, population
    from jaxdqn.population import Members
    from jaxdqn.runs import directory, loop

    policy = policies.greedy(agents.dqn(networks.MLP(2, features=())).q_values)
    world = chain(num_envs=6, time_limit=4)

    def evaluate(key, params):
        return evaluation.evaluate(key, params, world, policy)

    trainer = chain_trainer()
    run_dir = directory.claim(args.run_dir, args.run_dir, {}, args.resume)
    plan = loop.Plan(
        Members([3, 4]),
        total_steps=80 + 200 * 800,
        warmup_steps=80,
        iteration_steps=8,
        chunk_steps=800,
        save_period=1,
    )
    layout = population.layout(2)
    loop.train(lambda _: trainer, evaluate, plan, layout, run_dir, args.resume, quiet=True)


if __name__ == "__main__":
    cli.main(Args, main)
