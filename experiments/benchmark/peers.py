"""Speed beside other libraries: the same work in each, in turns, as updates per second.

    python experiments/benchmark/peers.py
    python experiments/benchmark/peers.py --works breakout --seeds 1 --libraries rejax jaxnasium

The other libraries are installed into a virtual environment of their own. Each trains in a process
of its own, which waits while another one is timed.
"""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from experiments.benchmark.measure import Row, spread, subprocess_env
from experiments.benchmark.peer_works import WORKS, WorkName
from experiments.results import markdown
from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.runs import cli
from jaxdqn.runs.errors import RunError

LibraryName = Literal["rejax", "jaxnasium", "sbx-rl", "stable-baselines3"]
PACKAGES = (*get_args(LibraryName), "gymnax<1", "six")
"""rejax 0.1.3 expects the interface of gymnax before 1.0; gymnax imports `six` without declaring it."""
OURS = "jaxdqn"


@dataclass(frozen=True)
class Args:
    """Time the same work in jaxdqn and in other libraries."""

    works: tuple[WorkName, ...] = get_args(WorkName)
    """Trainings that are timed: DQN on CartPole and on Breakout-MinAtar, PQN on Breakout-MinAtar."""
    libraries: tuple[LibraryName, ...] = get_args(LibraryName)
    """Libraries to compare with."""
    seeds: tuple[int, ...] = (1, 32)
    """Numbers of agents trained at the same time, each at least 1."""
    repeats: int = 5
    """Timed calls of each library; at least 1."""
    environment: Path = Path("runs/peers")
    """Directory of the virtual environment; it is made if it does not exist."""


class Worker:
    """A library in a process of its own."""

    def __init__(self, python: str, library: str, work: WorkName, seeds: int) -> None:
        script = Path(__file__).with_name("peer_worker.py")
        command = [python, str(script), library, work, str(seeds)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, text=True, env=subprocess_env(), stdin=pipe, stdout=pipe, stderr=pipe
        )
        self.rates: list[float] = []
        self.compile_seconds = 0.0
        self.problem = ""
        answer = self._read()
        if answer:
            self.compile_seconds = float(answer[1])

    def time(self) -> None:
        """Continues the training once, unless the library cannot do the work."""
        if not self.problem:
            assert self.process.stdin is not None
            print("go", file=self.process.stdin, flush=True)
            answer = self._read()
            if answer:
                self.rates.append(float(answer[1]) / float(answer[0]))

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()

    def _read(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            lines = self.process.communicate()[1].strip().splitlines()
            self.problem = lines[-1] if lines else f"exit code {self.process.returncode}"
        return line.split()


def install(environment: Path) -> str:
    """The interpreter of the virtual environment, which is made if it does not exist."""
    python = environment / "bin" / "python"
    if not python.exists():
        cli.say(f"Installing {', '.join(PACKAGES)} into {environment}.")
        venv.create(environment, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1]
            raise RunError(f"pip could not install the libraries: {reason}.", 1)
    return str(python)


def measure(args: Args, python: str, work: WorkName, seeds: int) -> list[Row]:
    """The lines of the table for one training and number of agents."""
    workers = {OURS: Worker(sys.executable, OURS, work, seeds)}
    workers |= {name: Worker(python, name, work, seeds) for name in args.libraries}
    try:
        for _ in range(args.repeats):
            for worker in workers.values():
                worker.time()
    finally:
        for worker in workers.values():
            worker.close()
    ours = workers[OURS].rates
    return [line(name, work, seeds, worker, ours) for name, worker in workers.items()]


def line(name: str, work: WorkName, seeds: int, worker: Worker, ours: list[float]) -> Row:
    """The line of a library; the last column is our rate in the same turn over its own."""
    if worker.problem:
        return dict.fromkeys(HEADINGS, "–") | {
            "library": name,
            "seeds": str(seeds),
            "updates per second": worker.problem,
        }
    ratios = [x / y for x, y in zip(ours, worker.rates, strict=True)]
    env_steps = WORKS[work].num_envs * WORKS[work].num_steps / WORKS[work].num_updates
    cells = (
        *(name, str(seeds), spread(worker.rates), spread(worker.rates, scale=env_steps)),
        *(f"{worker.compile_seconds:.1f} s", spread(ratios)),
    )
    return dict(zip(HEADINGS, cells, strict=True))


def title(name: WorkName) -> str:
    """The work in words."""
    work = WORKS[name]
    agent = "PQN" if work.num_epochs else "DQN"
    steps = f"{work.num_envs} environments, {work.num_updates} updates of {work.batch_size}"
    return f"{work.env}, {agent}, {steps} per {work.num_envs * work.num_steps} environment steps"


HEADINGS = (
    "library",
    "seeds",
    "updates per second",
    "environment steps per second",
    "import, compilation and first call",
    "jaxdqn is faster by",
)


def main(args: Args) -> None:
    """Prints a table for each training."""
    check_at_least("repeats", args.repeats, 1)
    for seeds in args.seeds:
        check_at_least("seeds", seeds, 1)
    for option in ("works", "seeds"):
        if not getattr(args, option):
            raise ConfigError(option, "", "must name at least one.")
    python = install(args.environment)
    for work in args.works:
        lines = [x for seeds in args.seeds for x in measure(args, python, work, seeds)]
        cli.say(markdown.table(f"{title(work)}: median (least to most)", lines))


if __name__ == "__main__":
    cli.main(Args, main)
