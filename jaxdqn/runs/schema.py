"""The types of `config.json` and of the rows of `metrics.jsonl`, by which files are checked when they are read."""

import dataclasses
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jaxdqn.config import Config

Natural = Annotated[int, Meta(ge=0, lt=2**31)]
Positive = Annotated[int, Meta(ge=1, lt=2**31)]
Number = Annotated[float, Meta(gt=-3e38, lt=3e38)]
"""A finite float32."""
Word = Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*$")]
Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]

_JSON = {int: Positive, float: Number, tuple[int, ...]: list[Positive]}
"""Type of a field of `Config` -> its type in a file."""

Hyperparameters = msgspec.defstruct(
    "Hyperparameters",
    [(f.name, _JSON[f.type] | UnsetType, UNSET) for f in dataclasses.fields(Config)],  # pyright: ignore
    forbid_unknown_fields=True,
)
"""The fields of `Config`, of which an agent reads some."""


class RunConfig(msgspec.Struct):
    """The part of `config` from which a policy is rebuilt; the other options of a program are ignored."""

    env: Word
    agent: Word
    steps: Positive
    seeds: Positive
    seed: Natural
    config: Hyperparameters  # pyright: ignore
    obs_scale: Number | Annotated[list[Number], Meta(min_length=1, max_length=100_000)]


class PolicyFile(msgspec.Struct):
    """`config.json` of a run whose policy is loaded."""

    config: RunConfig


class RunFile(msgspec.Struct):
    """`config.json` of any program; options are not nested deeper than `config.features`."""

    config: dict[str, Value | dict[str, Value]]
    versions: dict[str, str]
    git: str | None = None


AnyRow = dict[str, int | float | list[float | None]]
"""A row of `metrics.jsonl`, with the scalars of `Metrics.extra`."""


class Row(msgspec.Struct):
    """The values of a row that are read from `metrics.jsonl`."""

    env_steps: Natural
    loss: list[float | None]
    eval_return: list[float | None]


class SavedRow(Row, kw_only=True):
    """The values of a row that are read from a checkpoint, which is logged again."""

    chunk: Positive
    updates: Natural
    epsilon: float
    episodes: list[Natural]
    train_return: list[float | None]
