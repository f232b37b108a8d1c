"""Numbers for people: digits that fit, standard errors, and the summary of many seeds."""

import math
from collections.abc import Sequence

import numpy as np


def short(value: float | None) -> str:
    """Three digits, or all those before the point: `0.87`, `-92.4`, `500`, `12,345`."""
    if value is None or not math.isfinite(value):
        return "not finite"
    if value == 0 or abs(value) < 1e-3:
        return f"{value:.3g}"
    places = max(2 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_error(mean: float, error: float) -> str:
    """`498 ± 1.2`, without the error where it is unknown."""
    return short(mean) if math.isnan(error) else f"{short(mean)} ± {error:.2g}"


def summary(
    seeds: Sequence[int],
    final: Sequence[float | None],
    best: Sequence[float | None],
    solved_at: float | None,
) -> list[str]:
    """The evaluation returns of a run in at most five lines; None, which is not finite, is lowest."""
    if len(seeds) == 1:
        returns = f"final evaluation return {short(final[0])}, best evaluation {short(best[0])}"
        return [f"Seed {seeds[0]}: {returns}."]
    lines = [f"{'Evaluation return':<18}{'median':>10}{'10 %':>10}{'90 %':>10}{'worst':>12}"]
    for name, given in (("final", final), ("best", best)):
        values = np.array([-math.inf if x is None else x for x in given])
        low, median, high = np.quantile(values, (0.1, 0.5, 0.9), method="lower")
        worst = int(np.argmin(values))
        lines.append(
            f"{name:<18}{short(median):>10}{short(low):>10}{short(high):>10}"
            f"{short(values[worst]):>12} (seed {seeds[worst]})"
        )
    if solved_at is not None:
        number = sum(x is not None and x >= solved_at for x in final)
        rule = f"final return at least {short(solved_at)}"
        lines.append(f"Solved: {number} of {len(seeds)} seeds ({rule}).")
    return lines
