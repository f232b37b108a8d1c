"""Hyperparameters of a training run and the rules that they must satisfy."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np


class ConfigError(ValueError):
    """Invalid configuration value. The message names the option, the value and the rule."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        super().__init__(f"{option} ({value}) {rule}")
        self.option, self.value, self.rule = option, value, rule


@dataclass(frozen=True)
class Config:
    """Hyperparameters of all agents; each agent reads some of them. The defaults are those of CartPole-v1.

    Integers, `features`, `channels`, `v_min` and `v_max` determine shapes, loop lengths and values of
    the compiled program and are static; other floats may be traced, so that a sweep over them is
    one program.
    """

    # Read by every agent.
    num_envs: int = 8
    """Environments stepped in parallel (N); at least 1."""
    num_steps: int = 1
    """Steps per environment and iteration (T); at least 1."""
    features: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers, each at least 1."""
    channels: tuple[int, ...] = (16,)
    """Output channels of the convolutions, for image observations; each at least 1."""
    gamma: float = 0.996
    """Discount per environment step, in [0, 1]."""
    learning_rate: float = 2.5e-3
    """Initial step size of the optimizer, which falls linearly to 0; above 0."""
    adam_epsilon: float = 1e-4
    """Constant in the denominator of Adam, and of RAdam in PQN; above 0."""
    max_grad_norm: float = 10.0
    """Global norm to which gradients are clipped; above 0."""
    # Exploration.
    epsilon_start: float = 1.0
    """Initial probability of a random action, in [0, 1]."""
    epsilon_end: float = 0.05
    """Final probability of a random action, in [0, 1]."""
    exploration_fraction: float = 0.45
    """Fraction of the environment steps over which epsilon falls linearly, in [0, 1]."""
    noise_scale: float = 0.5
    """Initial standard deviation of noisy weights, times the root of the number of inputs; above 0."""
    # Learning from replay.
    num_updates: int = 2
    """Gradient steps per iteration (U); at least 1."""
    batch_size: int = 128
    """Transitions per gradient step (B); at least 1."""
    buffer_size: int = 200_000
    """Transitions kept for replay, rounded up to a multiple of num_envs; limited to what the run can fill."""
    learning_starts: int = 1_000
    """Environment steps with random actions before the first update, rounded up to a multiple of num_envs."""
    n_step: int = 3
    """Rewards in an n-step target before it bootstraps (n); at least 1."""
    target_period: int = 8
    """Updates between two updates of the target network; at least 1."""
    tau: float = 0.4
    """Step size of the target update `θ⁻ += tau (θ - θ⁻)`, in (0, 1]; 1 copies the parameters."""
    priority_alpha: float = 0.6
    """Exponent of priorities, in [0, 1]; 0 samples uniformly."""
    priority_beta: float = 0.4
    """Initial exponent of importance weights, in [0, 1]; rises linearly to 1, which corrects the bias fully."""
    # Distributions of returns.
    v_min: float = 0.0
    """Lowest value of the support; below v_max."""
    v_max: float = 250.0
    """Highest value of the support."""
    num_atoms: int = 51
    """Values of the support (Z); at least 2."""
    sigma: float = 0.75
    """Standard deviation of HL-Gauss targets in units of the distance between two values of the support; above 0."""
    num_quantiles: int = 32
    """Quantiles of QR-DQN; at least 1."""
    num_levels: int = 8
    """Levels of IQN: random ones for predictions and for targets, fixed ones for action values; at least 1."""
    kappa: float = 1.0
    """Threshold of the quantile Huber loss; above 0."""
    # Munchausen DQN.
    temperature: float = 0.03
    """Temperature of the soft policy; above 0."""
    munchausen_alpha: float = 0.9
    """Factor of the log-policy that is added to the reward, in [0, 1]."""
    # Advantage learning.
    advantage_alpha: float = 0.9
    """Factor of the action gap by which the target is lowered, in [0, 1)."""
    # PQN.
    num_epochs: int = 4
    """Passes over the steps of an iteration; at least 1."""
    num_minibatches: int = 8
    """Gradient steps per pass, a divisor of num_envs * num_steps; at least 1."""
    td_lambda: float = 0.65
    """Weight of longer returns in λ-returns, in [0, 1]."""


STATIC_FLOATS = ("v_min", "v_max")


def floats(config: Config) -> dict[str, float]:
    """The floats of `config` that may be traced and may differ between the agents of one program."""
    return {
        f.name: getattr(config, f.name)
        for f in fields(config)
        if f.type is float and f.name not in STATIC_FLOATS
    }


Rule = tuple[Callable[[Any], bool], str]
UNIT: Rule = (lambda x: 0 <= x <= 1, "must lie in [0, 1].")
POSITIVE: Rule = (lambda x: 1e-37 < x < 3e38, "must be above 0 and finite, as a float32.")
FINITE: Rule = (lambda x: abs(x) < 3e38, "must be finite, as a float32.")
RULES: Mapping[str, Rule] = {
    "gamma": UNIT,
    "tau": (lambda x: 0 < x <= 1, "must lie in (0, 1]."),
    "epsilon_start": UNIT,
    "epsilon_end": UNIT,
    "exploration_fraction": UNIT,
    "priority_alpha": UNIT,
    "priority_beta": UNIT,
    "munchausen_alpha": UNIT,
    "advantage_alpha": (lambda x: 0 <= x < 1, "must lie in [0, 1)."),
    "td_lambda": UNIT,
    "learning_rate": POSITIVE,
    "adam_epsilon": POSITIVE,
    "max_grad_norm": POSITIVE,
    "noise_scale": POSITIVE,
    "sigma": POSITIVE,
    "kappa": POSITIVE,
    "temperature": POSITIVE,
    "v_min": FINITE,
    "v_max": FINITE,
}
"""Rules of the floats; traced values are not checked."""


NUM_OUTPUTS = "num_atoms", "num_quantiles", "num_levels"
MOST_LAYERS, MOST_OUTPUTS = 64, 1_000_000
"""Limits of the hidden layers and of the numbers `NUM_OUTPUTS`, which are reached before memory is planned."""


def validate(**values: Any) -> None:
    """Raises `ConfigError` for the first of `values`, named like fields of `Config`, that is invalid.

    Integers must be at least 1 and fit into an int32. Traced values are not checked.
    """
    for name, value in values.items():
        if isinstance(value, tuple):
            if len(value) > MOST_LAYERS:
                raise ConfigError(name, len(value), f"must be at most {MOST_LAYERS} numbers.")
            for size in value:
                check_at_least(name, size, 1)
        elif name in RULES:
            require(name, value, *RULES[name])
        else:
            check_at_least(name, value, 2 if name == "num_atoms" else 1)
            if name in NUM_OUTPUTS and value > MOST_OUTPUTS:
                raise ConfigError(name, value, f"must be at most {MOST_OUTPUTS}.")


def check(config: Config, total_steps: int, names: Collection[str]) -> None:
    """Raises `ConfigError` if the fields `names`, those that are read, are invalid for `total_steps` env steps."""
    check_at_least("steps", total_steps, 1)
    validate(**{f.name: getattr(config, f.name) for f in fields(config) if f.name in names})
    if "v_min" in names and not config.v_min < config.v_max:
        raise ConfigError("v_min", config.v_min, f"must be below v_max ({config.v_max}).")
    batch = config.num_envs * config.num_steps
    if "num_minibatches" in names and batch % config.num_minibatches:
        rule = f"must divide num_envs * num_steps ({batch})."
        raise ConfigError("num_minibatches", config.num_minibatches, rule)
    if "buffer_size" in names:
        for name, rows in (("num_steps", config.num_steps), ("n_step", config.n_step)):
            if name in names and config.buffer_size < config.num_envs * rows:
                rule = f"must hold num_envs * {name} ({config.num_envs * rows})."
                raise ConfigError("buffer_size", config.buffer_size, rule)
    starts = round_up(config.learning_starts, config.num_envs) if "learning_starts" in names else 0
    if total_steps < starts + batch:
        before = "learning_starts and one iteration" if starts else "one iteration"
        rule = f"must be at least {before} ({starts + batch})."
        raise ConfigError("steps", total_steps, rule)
    iterations = (total_steps - starts) // batch
    for factors in (("num_updates",), ("num_epochs", "num_minibatches")):
        updates = iterations * math.prod(getattr(config, name) for name in factors)
        if set(factors) <= set(names) and updates >= 2**31:
            rule = f"must be smaller: {iterations} iterations would take {updates} updates, 2^31 or more."
            raise ConfigError(factors[0], getattr(config, factors[0]), rule)


def fill(config: Config, total_steps: int) -> Config:
    """`config` with `buffer_size` limited to what `total_steps` environment steps can fill."""
    rows = max(-(-total_steps // config.num_envs), config.num_steps, config.n_step)
    return replace(config, buffer_size=min(config.buffer_size, rows * config.num_envs))


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple


def check_at_least(option: str, value: int, least: int) -> None:
    """Raises `ConfigError` unless `value` is at least `least` and fits into an int32."""
    if not value >= least:
        raise ConfigError(option, value, f"must be at least {least}.")
    if value > 2**31 - 1:
        raise ConfigError(option, value, f"must be at most {2**31 - 1}.")


def require(option: str, value: Any, holds: Callable[[Any], bool], rule: str) -> None:
    """Raises `ConfigError` unless `holds(value)`. Arrays and traced values are not checked."""
    if isinstance(value, int | float | np.integer | np.floating) and not holds(value):
        raise ConfigError(option, value, rule)
