"""Hyperparameters of a training run and the rules that they must satisfy."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any


class ConfigError(ValueError):
    """Invalid configuration value. The message names the option, the value and the rule."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        super().__init__(f"{option} ({value}) {rule}")
        self.option, self.value, self.rule = option, value, rule


@dataclass(frozen=True)
class Config:
    """Hyperparameters. The defaults are those of CartPole-v1.

    Integers determine shapes and loop lengths and are static; floats may be traced, so that
    a sweep over them is one program.
    """

    # Read by `training.dqn` and the replay.
    num_envs: int = 8
    """Environments stepped in parallel (N); at least 1."""
    num_steps: int = 1
    """Steps per environment and iteration (T); at least 1."""
    num_updates: int = 2
    """Gradient steps per iteration (U); at least 1."""
    batch_size: int = 128
    """Transitions per gradient step (B); at least 1."""
    buffer_size: int = 200_000
    """Transitions kept for replay, a multiple of num_envs; limited to what the run can fill."""
    learning_starts: int = 1_000
    """Environment steps with random actions before the first update, a multiple of num_envs."""
    n_step: int = 3
    """Rewards in an n-step target before it bootstraps (n); at least 1."""
    gamma: float = 0.996
    """Discount per environment step, in [0, 1]."""
    target_period: int = 8
    """Updates between two updates of the target network; at least 1."""
    tau: float = 0.4
    """Step size of the target update `θ⁻ += tau (θ - θ⁻)`, in (0, 1]; 1 copies the parameters."""
    # Read by the recipe, which makes the optimizer and the exploration schedule.
    learning_rate: float = 2.5e-3
    """Initial step size of Adam, which falls linearly to 0; above 0."""
    adam_epsilon: float = 1e-4
    """Constant in the denominator of Adam; above 0."""
    max_grad_norm: float = 10.0
    """Global norm to which gradients are clipped; above 0."""
    epsilon_start: float = 1.0
    """Initial probability of a random action, in [0, 1]."""
    epsilon_end: float = 0.05
    """Final probability of a random action, in [0, 1]."""
    exploration_fraction: float = 0.45
    """Fraction of the environment steps over which epsilon falls linearly, in [0, 1]."""


def floats(config: Config) -> dict[str, float]:
    """The floats of `config`, which may be traced and may differ between the agents of one program."""
    return {f.name: getattr(config, f.name) for f in fields(config) if f.type is float}


def iteration_steps(config: Config) -> int:
    """Environment steps of one iteration, `N T`."""
    return config.num_envs * config.num_steps


def num_iterations(config: Config, total_steps: int) -> int:
    """Iterations that fit into `total_steps` environment steps after `learning_starts`."""
    return (total_steps - config.learning_starts) // iteration_steps(config)


def fill(config: Config, total_steps: int) -> Config:
    """`config` with `buffer_size` limited to what `total_steps` environment steps can fill."""
    rows = max(-(-total_steps // config.num_envs), config.num_steps, config.n_step)
    return replace(config, buffer_size=min(config.buffer_size, rows * config.num_envs))


def check(config: Config, total_steps: int) -> None:
    """Raises `ConfigError` if `config` is invalid for a training of `total_steps` environment steps.

    Checks Python numbers only: traced values cannot be checked.
    """
    check_shapes(config, config.num_envs)
    for name in ("learning_rate", "adam_epsilon", "max_grad_norm"):
        require(
            name,
            getattr(config, name),
            lambda x: 1e-37 < x < 3e38,
            "must be above 0 and finite, as a float32.",
        )
    for name in ("gamma", "epsilon_start", "epsilon_end", "exploration_fraction"):
        require(name, getattr(config, name), lambda x: 0 <= x <= 1, "must lie in [0, 1].")
    require("tau", config.tau, lambda x: 0 < x <= 1, "must lie in (0, 1].")
    if num_iterations(config, total_steps) < 1:
        least = config.learning_starts + iteration_steps(config)
        rule = f"must be at least learning_starts and one iteration ({least})."
        raise ConfigError("steps", total_steps, rule)
    check_at_least("steps", total_steps, 1)


def check_shapes(config: Config, num_envs: int) -> None:
    """Raises `ConfigError` unless the integers fit each other and an environment of `num_envs`."""
    for field in fields(config):
        if field.type is int:
            check_at_least(field.name, getattr(config, field.name), 1)
    if config.num_envs != num_envs:
        raise ConfigError(
            "num_envs", config.num_envs, f"must be that of the environment ({num_envs})."
        )
    for name in ("learning_starts", "buffer_size"):
        value = getattr(config, name)
        if value % num_envs:
            raise ConfigError(name, value, f"must be a multiple of num_envs ({num_envs}).")
    rows = config.buffer_size // num_envs
    if rows < config.num_steps:
        rule = f"must hold one rollout, num_envs * num_steps ({iteration_steps(config)})."
        raise ConfigError("buffer_size", config.buffer_size, rule)
    if rows < config.n_step:
        rule = f"must hold num_envs * n_step ({num_envs * config.n_step})."
        raise ConfigError("buffer_size", config.buffer_size, rule)


def check_at_least(option: str, value: int, least: int) -> None:
    """Raises `ConfigError` unless `value` is at least `least` and fits into an int32."""
    if value < least:
        raise ConfigError(option, value, f"must be at least {least}.")
    if value > 2**31 - 1:
        raise ConfigError(option, value, f"must be at most {2**31 - 1}.")


def require(option: str, value: Any, holds: Callable[[Any], bool], rule: str) -> None:
    """Raises `ConfigError` unless `holds(value)`. Traced values are not checked."""
    if isinstance(value, int | float) and not holds(value):
        raise ConfigError(option, value, rule)
