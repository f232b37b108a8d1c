"""Robustness of runs: interrupts trainings in many ways, resumes them, and compares them with an undisturbed one.

    python experiments/robustness/run.py --tries 10 --kills 200

Each must end with the same state, metrics and result, bit for bit. The faults are real:
signals to a process, flipped bits in files, a limit on the size of files in place of a
full disk (Linux).
"""

import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from experiments.results.markdown import table
from experiments.robustness.faults import FAULTS, OPERATIONS, kill
from experiments.robustness.harness import Harness
from jaxdqn.config import check_at_least
from jaxdqn.runs import cli

OPTIONS = (
    "--quiet --steps 40000 --eval-interval 200 --checkpoint-interval 1 --eval-episodes 8".split()
)
CARTPOLE = (sys.executable, str(Path(__file__).parents[1] / "cartpole.py"), *OPTIONS)
"""A short training that saves a checkpoint after each of its 195 chunks."""
OTHERS = tuple(
    (env, agent)
    for env in ("CartPole-v1", "Catch-bsuite")
    for agent in ("dqn", "rainbow", "pqn", "noisy", "iqn")
)
"""Environments, a vector and an image, and agents whose trainings are killed, too."""
OTHER_OPTIONS = (
    "--quiet --steps 12000 --eval-interval 256 --checkpoint-interval 1 --eval-episodes 8 "
    "--config.features 16"
).split()


@dataclass(frozen=True)
class Args:
    """Interrupt trainings, resume them, and count those that end identical to an undisturbed one."""

    kills: int = 30
    """Number of processes killed by SIGKILL; at least 1."""
    other_kills: int = 20
    """Number of processes killed by SIGKILL, of each of five agents in two environments; at least 0."""
    tries: int = 3
    """Repetitions of each other fault; at least 1."""
    seed: int = 0
    """Seed of the moments and bits."""


def main(args: Args) -> None:
    """Runs all faults and prints a table."""
    check_at_least("kills", args.kills, 1)
    check_at_least("other_kills", args.other_kills, 0)
    check_at_least("tries", args.tries, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        harness = Harness(CARTPOLE, folder / "reference", folder, random.Random(args.seed))
        harness.finish(harness.reference)
        runs, identical, moments = kill(harness, args.kills)
        kills = moments.total()
        cli.say(f"{kills} kills: {identical} of {runs} runs")
        details = ", ".join(f"{count} {name}" for name, count in moments.most_common())
        rows = [
            {
                "fault": f"SIGKILL at a random moment ({details})",
                "repetitions": f"{kills} in {runs} runs",
                "bit-identical at the end": f"{identical} of {runs} runs",
            }
        ]
        rows += [kill_other(folder, *pair, args.other_kills) for pair in OTHERS if args.other_kills]
        for name, fault in FAULTS.items():
            passed = sum(fault(harness) for _ in range(args.tries))
            cli.say(f"{name}: {passed} of {args.tries}")
            rows.append(
                {
                    "fault": name,
                    "repetitions": str(args.tries),
                    "bit-identical at the end": f"{passed} of {args.tries}",
                }
            )
    cli.say(table("What a run survives", rows))


def kill_other(folder: Path, env: str, agent: str, kills: int) -> dict[str, str]:
    """The row of the table for the training of `agent` in `env`."""
    script = str(Path(__file__).parents[1] / "train.py")
    command = sys.executable, script, "--env", env, "--agent", agent, *OTHER_OPTIONS
    harness = Harness(command, folder / f"{env}-{agent}", folder, random.Random(f"{env} {agent}"))
    harness.finish(harness.reference)
    runs, identical, moments = kill(harness, kills, operations=OPERATIONS // 4)
    cli.say(f"{env}, {agent}: {moments.total()} kills, {identical} of {runs} runs")
    return {
        "fault": f"SIGKILL at a random moment, {agent} on {env}",
        "repetitions": f"{moments.total()} in {runs} runs",
        "bit-identical at the end": f"{identical} of {runs} runs",
    }


if __name__ == "__main__":
    cli.main(Args, main)
