"""Which settings are tried? The points of a grid, random draws, or each point with every draw.

--sweep gamma=0.98,0.99                       these two
--sweep adam_epsilon=1e-5:1e-3:5              5 at even distances, both ends among them
--sweep learning-rate=1e-4:1e-2:log:5         5 at even ratios
--draw learning-rate=1e-4:1e-2:log            at random, evenly in the logarithm
"""

import difflib
import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxdqn.config import Config, ConfigError, check_at_least

Setting = dict[str, int | float]
Fail = Callable[[str], ConfigError]

INTEGERS = frozenset(field.name for field in fields(Config) if field.type is int)
NAMES = sorted(field.name for field in fields(Config))
MOST_SETTINGS = 100_000
SWEEP_FORM = "must be NAME=NUMBER,NUMBER or NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:log:COUNT."
DRAW_FORM = "must be NAME=LOW:HIGH or NAME=LOW:HIGH:log."


class Range(NamedTuple):
    """Numbers from `low` to `high`, measured by their distances or, if `log`, by their ratios."""

    low: float
    high: float
    log: bool

    def at(self, fraction: float) -> float:
        """What lies `fraction` of the way from `low` at 0 to `high` at 1, both exact."""
        low, high, rest = self.low, self.high, 1 - fraction
        value = low**rest * high**fraction if self.log else low * rest + high * fraction
        return min(max(value, low), high)


def parse(
    sweep: Sequence[str], draw: Sequence[str] = (), num_draws: int = 1, draw_seed: int = 0
) -> list[Setting]:
    """Settings in the order of the options: the first varies slowest, the draws fastest.

    Each point of the grid meets the same draws, and more draws leave the first as they
    are. Integers of `Config` are int, all else float; no option at all gives one empty
    setting. Raises `ConfigError` at the first word that cannot be meant. Whether a
    training can have such a number is for `config.check` to say.
    """
    check_at_least("num_draws", num_draws, 1)
    check_at_least("draw_seed", draw_seed, 0)
    grid: dict[str, list[int] | list[float]] = {}
    ranges: dict[str, Range] = {}
    total = 1
    for word in sweep:
        fail = partial(ConfigError, "sweep", word)
        name, spec = _halves(word, SWEEP_FORM, grid, fail)
        grid[name] = _listed(name, spec, fail) if ":" not in spec else _spaced(name, spec, fail)
        total *= len(grid[name])
        _check_total(total, fail)
    for word in draw:
        fail = partial(ConfigError, "draw", word)
        name, spec = _halves(word, DRAW_FORM, [*grid, *ranges], fail)
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


def group(settings: Sequence[Setting]) -> list[tuple[dict[str, int], list[int]]]:
    """The integers that some settings share, and these settings' indices: a compilation each."""
    groups: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for index, setting in enumerate(settings):
        integers = tuple((name, int(x)) for name, x in setting.items() if name in INTEGERS)
        groups.setdefault(integers, []).append(index)
    return [(dict(integers), indices) for integers, indices in groups.items()]


def _halves(word: str, form: str, taken: Collection[str], fail: Fail) -> tuple[str, str]:
    """Name and specification, the name known and not yet taken."""
    name, equals, spec = word.partition("=")
    name = name.replace("-", "_")
    if not equals:
        raise fail(form)
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES)
        raise fail(f"must name a number of Config: {', '.join(dict.fromkeys(near + NAMES))}.")
    if name in taken:
        raise fail(f"must not name {name} a second time.")
    return name, spec


def _listed(name: str, spec: str, fail: Fail) -> list[int] | list[float]:
    texts = spec.split(",")
    integer = name in INTEGERS
    return _distinct([(_whole if integer else _finite)(text, fail) for text in texts], fail)


def _spaced(name: str, spec: str, fail: Fail) -> list[float]:
    *ends, last = spec.split(":")
    span = _range(name, ends, SWEEP_FORM, fail)
    count = _whole(last, fail)
    if count < 2:
        raise fail(f"must have both ends, a COUNT of at least 2 and not {count}.")
    _check_total(count, fail)
    return _distinct([span.at(i / (count - 1)) for i in range(count)], fail)


def _range(name: str, texts: list[str], form: str, fail: Fail) -> Range:
    log = texts[2:] == ["log"]
    if not log and len(texts) != 2:
        raise fail(form)
    if name in INTEGERS:
        raise fail(f"must list whole numbers, as --sweep {name}=8,16: they fix shapes and loops.")
    low, high = (_finite(text, fail) for text in texts[:2])
    if not low < high:
        raise fail("must have LOW below HIGH.")
    if log and low <= 0:
        raise fail("must have LOW above 0 to be even in the logarithm.")
    return Range(low, high, log)


def _finite(text: str, fail: Fail) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise fail(f"must hold finite numbers, and '{text}' is none.")
    return value


def _whole(text: str, fail: Fail) -> int:
    try:
        return int(text)
    except ValueError:
        raise fail(f"must hold a whole number where '{text}' is.") from None


def _distinct(values: list, fail: Fail) -> list:
    seen = set()
    for value in values:
        if value in seen:
            raise fail(f"must not hold {value} twice.")
        seen.add(value)
    return values


def _check_total(total: int, fail: Fail) -> None:
    if total > MOST_SETTINGS:
        raise fail(f"must make at most {MOST_SETTINGS} settings in all, not {total}.")


def labels(values: Sequence[float] | np.ndarray) -> list[str]:
    """What was typed, if it is short; else as few digits as tell the values apart, three at least."""
    shown: list[str] = []
    for digits in range(3, 18):
        typed = [is_typed(x) and len(f"{x:.6g}") <= 7 for x in values]
        shown = [
            f"{x:.6g}" if short else f"{x:.{digits}g}"
            for x, short in zip(values, typed, strict=True)
        ]
        if len(set(shown)) == len(shown):
            break
    return [text.replace("e-0", "e-") for text in shown]


def is_typed(value: float) -> bool:
    """Whether six digits say all of it."""
    return float(f"{value:.6g}") == value
