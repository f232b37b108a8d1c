"""The training in a report: the returns of a run, or the configurations of a sweep."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxdqn.runs import files, logs
from jaxdqn.runs.errors import RunError

MAX_POINTS, MAX_SEEDS, MAX_ROWS = 400, 32, 500
"""Evaluations and single seeds of the curve, configurations of the ranking."""
OUTCOMES = "seed", "final_return", "best_return", "steps_to_solve", "diverged"
"""Columns of `results.csv` that are not hyperparameters."""
LARGEST = 1e15
MOST_RESULTS = 1_000_000_000
"""Bytes of `results.csv` at most."""


def run(
    run_dir: Path, first_seed: Any, solved_at: float | None, missing: list[str]
) -> dict[str, Any]:
    """The result in a sentence, and the curve."""
    steps, evaluation, training = _returns(run_dir / "metrics.jsonl", missing)
    if not len(steps):
        return {"sentence": "There is no evaluation yet.", "curve": None}
    num_seeds = evaluation.shape[1]
    last = evaluation[-1]
    finite = last[np.isfinite(last)]
    if not finite.size:
        sentence = f"The last evaluation of {_seeds(num_seeds)} is not finite."
    elif num_seeds == 1:
        sentence = f"The final policy has a mean return of {finite[0]:.4g}"
    else:
        low, high = finite.min(), finite.max()
        sentence = (
            f"The final policies of {_seeds(num_seeds)} have a median return of "
            f"{np.median(finite):.4g}, from {low:.4g} to {high:.4g}"
        )
    if finite.size:
        sentence += f", after {steps[-1]:,} environment steps."
        if solved_at is not None:
            count = int(np.sum(finite >= solved_at))
            who = f"{count} of {num_seeds} seeds" if num_seeds > 1 else "It"
            verb = "solve" if count != 1 and num_seeds > 1 else "solves"
            negated = num_seeds == 1 and not count
            verb = "does not solve" if negated else verb
            sentence += f" {who} {verb} the environment (return ≥ {solved_at:g})."
        if finite.size < num_seeds:
            sentence += f" {_seeds(num_seeds - finite.size)} diverged."
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MAX_POINTS)).round())
    kept = kept.astype(int)
    curve = {
        "steps": steps[kept].tolist(),
        "solved_at": solved_at,
        "num_seeds": num_seeds,
        "first_seed": first_seed if isinstance(first_seed, int) else 0,
        "evaluation": _lines(evaluation[kept]),
        "training": _lines(training[kept]),
    }
    return {"sentence": sentence, "curve": curve}


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _lines(values: np.ndarray) -> dict[str, Any]:
    """Quantiles `[T]` over all seeds, and the first seeds `[S, T]`; None where nothing is known."""
    present = np.isfinite(values).any(axis=1)
    quantiles = np.full((3, len(values)), np.nan)
    if present.any():
        quantiles[:, present] = np.nanquantile(values[present], (0.1, 0.5, 0.9), axis=1)
    low, median, high = ([_number(x) for x in line] for line in quantiles)
    seeds = [[_number(x) for x in line] for line in values.T[:MAX_SEEDS]]
    return {"low": low, "median": median, "high": high, "seeds": seeds}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _returns(path: Path, missing: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps `[T]`, and returns of evaluation and training `[T, S]`, up to the first line that is damaged."""
    rows: list[tuple[int, list[float], list[float]]] = []
    try:
        lines = files.read_bytes(path, logs.MOST_METRICS).decode(errors="replace").splitlines()
    except OSError:
        missing.append(f"There is no {path.name}.")
        lines = []
    except RunError as error:
        missing.append(str(error))
        lines = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            step = int(row["env_steps"])
            one = step, _floats(row["eval_return"]), _floats(row["train_return"])
            size = len(rows[0][1]) if rows else max(len(one[1]), 1)
            if not 0 <= step < LARGEST or {len(one[1]), len(one[2])} != {size}:
                raise ValueError("values are missing")
            if rows and step <= rows[-1][0]:
                raise ValueError("the steps do not increase")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            missing.append(f"{path.name} is damaged from line {number} on: {reason}.")
            break
        rows.append(one)
    if not rows:
        return np.zeros(0, int), np.zeros((0, 1)), np.zeros((0, 1))
    steps, evaluation, training = zip(*rows, strict=True)
    return np.array(steps), np.array(evaluation, float), np.array(training, float)


def _floats(values: Any) -> list[float]:
    """NaN for None, and for numbers that are not finite or too large to be drawn."""
    found = [math.nan if x is None else float(x) for x in values]
    return [x if abs(x) <= LARGEST else math.nan for x in found]


def sweep(
    run_dir: Path, config: dict[str, Any], solved_at: float | None, missing: list[str]
) -> dict[str, Any]:
    """The result in a sentence, and the ranking: one row for each configuration."""
    path = run_dir / "results.csv"
    found: dict[tuple[str, ...], list[tuple[float, bool]]] = {}
    names: list[str] = []
    try:
        text = files.read_bytes(path, MOST_RESULTS).decode(errors="replace")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = [name for name in reader.fieldnames or () if name not in OUTCOMES]
        for row in reader:
            outcome = _floats([row["final_return"]])[0], row["diverged"] != ""
            found.setdefault(tuple(row[name] for name in names), []).append(outcome)
    except FileNotFoundError:
        missing.append("There is no results.csv yet: no part of the sweep has ended.")
    except RunError as error:
        missing.append(str(error))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        missing.append(f"{path.name} is damaged: {type(error).__name__}: {error}.")
    rows = [_configuration(values, own, solved_at) for values, own in found.items()]
    rows.sort(key=lambda row: (row["solved"] or 0, row["mean"]), reverse=True)
    if len(rows) > MAX_ROWS:
        missing.append(f"The table shows the best {MAX_ROWS} of {len(rows)} configurations.")
    if not rows:
        return {"sentence": "No configuration has been trained yet.", "ranking": None}
    best = rows[0]
    setting = ", ".join(f"{name} {x}" for name, x in zip(names, best["values"], strict=True))
    sentence = (
        f"Of {len(rows)} configurations on {config.get('seeds', 'several')} seeds each, the best "
        f"({setting or 'the defaults'}) has a mean final return of {best['mean']:.4g}"
    )
    solved = (
        ""
        if solved_at is None
        else f", and {best['solved']} of {best['count']} seeds solve the environment"
    )
    ranking = {"names": names, "rows": rows[:MAX_ROWS], "solved_at": solved_at}
    return {"sentence": f"{sentence}{solved}.", "ranking": ranking}


def _configuration(
    values: tuple[str, ...], outcomes: list[tuple[float, bool]], solved_at: float | None
) -> dict[str, Any]:
    returns = [x for x, _ in outcomes if math.isfinite(x)]
    return {
        "values": list(values),
        "count": len(outcomes),
        "solved": None if solved_at is None else sum(x >= solved_at for x in returns),
        "mean": float(np.mean(returns)) if returns else -LARGEST,
        "median": _number(float(np.median(returns))) if returns else None,
        "worst": _number(min(returns)) if returns else None,
        "diverged": sum(diverged for _, diverged in outcomes),
        "returns": [_number(x) for x in returns[:64]],
    }
