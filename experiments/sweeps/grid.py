"""The configurations of a sweep: points of a grid, random draws, or both combined.

--sweep gamma=0.98,0.99                       these two values
--sweep adam_epsilon=1e-5:1e-3:5              5 values at equal distances, both ends included
--sweep learning-rate=1e-4:1e-2:log:5         5 values at equal ratios, both ends included
--draw learning-rate=1e-4:1e-2:log            random values, uniform in the logarithm
"""

import difflib
import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxdqn.config import STATIC_FLOATS, Config, ConfigError, check_at_least

Configuration = dict[str, int | float]
"""Name of a field of `Config` -> value."""
Fail = Callable[[str], ConfigError]

INTEGERS = frozenset(field.name for field in fields(Config) if field.type is int)
STATIC = INTEGERS.union(STATIC_FLOATS)
NAMES = sorted(field.name for field in fields(Config) if field.type in (int, float))
MOST_CONFIGURATIONS = 100_000
SWEEP_FORM = "must be NAME=NUMBER,NUMBER or NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:log:COUNT."
DRAW_FORM = "must be NAME=LOW:HIGH or NAME=LOW:HIGH:log."


class Range(NamedTuple):
    """The numbers from `low` to `high`, on a linear or, if `log`, on a logarithmic scale."""

    low: float
    high: float
    log: bool

    def at(self, fraction: float) -> float:
        """The number at `fraction` of the range: exactly `low` at 0, exactly `high` at 1."""
        low, high, rest = self.low, self.high, 1 - fraction
        value = low**rest * high**fraction if self.log else low * rest + high * fraction
        return min(max(value, low), high)


def parse(
    sweep: Sequence[str], draw: Sequence[str] = (), num_draws: int = 1, draw_seed: int = 0
) -> list[Configuration]:
    """Configurations in the order of the options: the first varies slowest, the draws fastest.

    Every point of the grid is combined with the same draws; a larger `num_draws` keeps the
    first draws. Integers of `Config` are int, all others float; without options the result is
    one empty configuration. Raises `ConfigError` for the first invalid argument. Whether a
    value is allowed for its hyperparameter is checked by `config.check`.
    """
    check_at_least("num_draws", num_draws, 1)
    check_at_least("draw_seed", draw_seed, 0)
    grid: dict[str, list[int] | list[float]] = {}
    ranges: dict[str, Range] = {}
    total = 1
    for argument in sweep:
        fail = partial(ConfigError, "sweep", argument)
        name, spec = _split(argument, SWEEP_FORM, grid, fail)
        grid[name] = _list(name, spec, fail) if ":" not in spec else _spaced(name, spec, fail)
        total *= len(grid[name])
        _check_total(total, fail)
    for argument in draw:
        fail = partial(ConfigError, "draw", argument)
        name, spec = _split(argument, DRAW_FORM, [*grid, *ranges], fail)
        ranges[name] = _range(name, spec.split(":"), DRAW_FORM, fail)
    if not ranges:
        num_draws = 1
    _check_total(total * num_draws, partial(ConfigError, "num_draws", num_draws))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    fractions = np.random.default_rng(draw_seed).random((num_draws, len(ranges))).tolist()
    draws = [
        {name: ranges[name].at(t) for name, t in zip(ranges, row, strict=True)} for row in fractions
    ]
    return [point | drawn for point in points for drawn in draws]


def group(configurations: Sequence[Configuration]) -> list[tuple[Configuration, list[int]]]:
    """Groups with equal static values, each of which is one program: the values, and indices of configurations."""
    groups: dict[tuple[tuple[str, int | float], ...], list[int]] = {}
    for index, configuration in enumerate(configurations):
        static = tuple((name, x) for name, x in configuration.items() if name in STATIC)
        groups.setdefault(static, []).append(index)
    return [(dict(static), indices) for static, indices in groups.items()]


def labels(values: Sequence[float] | np.ndarray) -> list[str]:
    """Short labels: exact if six digits and seven characters suffice, else with as few digits as
    tell the values apart, at least three.
    """
    shown: list[str] = []
    for digits in range(3, 18):
        short = [is_short(x) and len(f"{x:.6g}") <= 7 for x in values]
        shown = [
            f"{x:.6g}" if exact else f"{x:.{digits}g}"
            for x, exact in zip(values, short, strict=True)
        ]
        if len(set(shown)) == len(shown):
            break
    return [text.replace("e-0", "e-") for text in shown]


def is_short(value: float) -> bool:
    """Whether six digits represent the value exactly."""
    return float(f"{value:.6g}") == value


def _split(argument: str, form: str, used: Collection[str], fail: Fail) -> tuple[str, str]:
    """Name and specification; the name must be a field of `Config` that is not used yet."""
    name, equals, spec = argument.partition("=")
    name = name.replace("-", "_")
    if not equals:
        raise fail(form)
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES)
        raise fail(f"must name a hyperparameter: {', '.join(dict.fromkeys(near + NAMES))}.")
    if name in used:
        raise fail(f"must not name {name} a second time.")
    return name, spec


def _list(name: str, spec: str, fail: Fail) -> list[int] | list[float]:
    number = _integer if name in INTEGERS else _finite
    return _distinct([number(text, fail) for text in spec.split(",")], fail)


def _spaced(name: str, spec: str, fail: Fail) -> list[float]:
    *ends, last = spec.split(":")
    span = _range(name, ends, SWEEP_FORM, fail)
    count = _integer(last, fail)
    if count < 2:
        raise fail(f"must have a COUNT of at least 2, not {count}.")
    _check_total(count, fail)
    return _distinct([span.at(i / (count - 1)) for i in range(count)], fail)


def _range(name: str, texts: list[str], form: str, fail: Fail) -> Range:
    log = texts[2:] == ["log"]
    if not log and len(texts) != 2:
        raise fail(form)
    if name in INTEGERS:
        example = f"--sweep {name}=8,16"
        raise fail(f"must list integers, as in {example}: they fix shapes and loop lengths.")
    low, high = (_finite(text, fail) for text in texts[:2])
    if not low < high:
        raise fail("must have LOW below HIGH.")
    if log and low <= 0:
        raise fail("must have LOW above 0 on a log scale.")
    return Range(low, high, log)


def _finite(text: str, fail: Fail) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise fail(f"must hold finite numbers, not '{text}'.")
    return value


def _integer(text: str, fail: Fail) -> int:
    try:
        return int(text)
    except ValueError:
        raise fail(f"must have an integer in place of '{text}'.") from None


def _distinct(values: list, fail: Fail) -> list:
    seen = set()
    for value in values:
        if value in seen:
            raise fail(f"must not hold {value} twice.")
        seen.add(value)
    return values


def _check_total(total: int, fail: Fail) -> None:
    if total > MOST_CONFIGURATIONS:
        raise fail(f"must give at most {MOST_CONFIGURATIONS} configurations in total, not {total}.")
