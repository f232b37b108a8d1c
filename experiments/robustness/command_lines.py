"""Random command lines: options of the programs with values that are wrong, extreme, or right."""

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from experiments import sweep, watch
from jaxdqn.config import Config
from jaxdqn.recipes import AGENTS
from jaxdqn.runs import experiment
from jaxdqn.runs.hardware import Hardware

VALUES = (
    "", "0", "-1", "1", "2", "3", "8", "1.5", "0.5", "nan", "inf", "-inf", "1e308", "1e-400", "1e-30",
    "2147483647", "2147483648", "20000000", "50000000", "4294967296", "9" * 40, "x", "None", "null", "true", "[]",
    "{}", "é", "\x1b[31m\n", "/dev/null/x", "0x10", "1_000", " 1", "--", "-", "--help", "gamma=0.9,0.99",
    "gamma=0.9:1:3", "gamma=0:1", "learning_rate=1e-4:1e-2:log", "batch_size=16,32", "gamma=nan", "=", "a=b=c",
    "num_envs=1,2147483647", "gamma=0:1:1000000000", "CartPole-v1", "os:abort", "json:loads", "Pendulum-v1",
    *AGENTS,
)  # fmt: skip
BASE = "--steps 1200 --eval-interval 600 --eval-episodes 3 --quiet".split()
WORDS = "--nothing", "word", "-h", "--", "-", ""
# They would wait for other processes for a minute; `tests/runs/test_processes.py` is about them.
EXCLUDED = {"coordinator", "num_processes", "process_id", "distributed"}


def options(*kinds: type, prefix: str = "--") -> dict[str, str]:
    """The options for the fields of dataclasses -> a value that is probably valid."""
    found = [field for kind in kinds for field in dataclasses.fields(kind)]
    return {
        prefix + field.name.replace("_", "-"): plausible(field.default)
        for field in found
        if field.name not in EXCLUDED
    }


def plausible(default: Any) -> str:
    """A number if there is no default."""
    if isinstance(default, tuple):
        default = default[0] if default else "gamma=0.9,0.99"
    return "8" if default in (None, dataclasses.MISSING) else str(default)


OPTIONS = {
    "train": options(experiment.EnvArgs, Hardware) | options(Config, prefix="--config."),
    "sweep": options(sweep.Args, Hardware) | options(Config, prefix="--config."),
    "watch": options(watch.Args),
}


def random_ones(rng: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """`count` pairs of a program and its words."""
    for _ in range(count):
        program = rng.choices(["train", "sweep", "watch"], [6, 3, 1])[0]
        words: list[str] = [*BASE] if program != "watch" else []
        for _ in range(rng.randint(1, 4)):
            option, value = rng.choice(list(OPTIONS[program].items()))
            value = rng.choice(VALUES) if rng.random() < 0.6 else value
            words += [f"{option}={value}"] if rng.random() < 0.3 else [option, value]
        if rng.random() < 0.2:
            words.insert(rng.randint(0, len(words)), rng.choice(WORDS))
        if rng.random() < 0.1:
            del words[rng.randrange(len(words))]
        yield program, words
