"""Writes `report.html` into the directory of a run or a sweep: one page to look at and to share.

    python experiments/report.py runs/double

A run writes its page by itself when it ends. This program writes it at any time: while the run is
in progress, for another seed, for a sweep, or for a run of an earlier version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jaxdqn.runs import cli, platform, report, signals


@dataclass(frozen=True)
class Args:
    """Write the report of a run or a sweep."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Directory of a run of cartpole.py or train.py, or of a sweep."""
    policy_seed: int | None = None
    """Seed of the run whose policy is shown; by default the first."""
    env: str | None = None
    """The environment of the run, needed if it is MODULE:FUNCTION: code that a run directory must not choose."""


@signals.ending_at_once("stopped.")
def main(args: Args) -> None:
    """Writes the page and prints its path."""
    platform.configure()
    cli.say(f"Report: {report.write(args.run_dir, seed=args.policy_seed, env=args.env)}.")


if __name__ == "__main__":
    cli.main(Args, main)
