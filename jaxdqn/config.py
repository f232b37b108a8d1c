"""Which numbers describe a training? Plain Python: importing this starts nothing."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any


class ConfigError(ValueError):
    """A choice that cannot be meant. `option` is the field at fault, the message names value and rule."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        super().__init__(f"{option} ({value}) {rule}")
        self.option, self.value, self.rule = option, value, rule


@dataclass(frozen=True)
class Config:
    """The defaults are those of `experiments/cartpole.py`.

    Integers fix shapes and loop lengths; floats may be traced, so that a sweep over
    them is one program.
    """

    # Read by `training.dqn` and the replay.
    num_envs: int = 8
    """Worlds stepped together (N)."""
    num_steps: int = 1
    """Steps in each world in one iteration (T)."""
    num_updates: int = 2
    """Gradient steps in one iteration (U)."""
    batch_size: int = 128
    """Transitions in one gradient step (B)."""
    capacity: int = 200_000
    """Transitions kept for replay, a multiple of num_envs; a shorter training takes only what it fills."""
    warmup_steps: int = 1_000
    """World steps taken at random before the first update, a multiple of num_envs."""
    n_step: int = 3
    """Steps of reward in a target before it bootstraps (n)."""
    gamma: float = 0.996
    """Discount per world step, in [0, 1]."""
    target_period: int = 8
    """Updates between two changes of the target network."""
    target_rate: float = 0.4
    """Fraction of the way the target network then moves, in (0, 1]; 1 copies."""
    # Read by who makes the optimizer and the schedule of exploration.
    learning_rate: float = 2.5e-3
    """Adam's step size at the start, falling linearly to 0 at the end; above 0."""
    adam_epsilon: float = 1e-4
    """Added to Adam's denominator; above 0."""
    max_grad_norm: float = 10.0
    """Global norm that gradients are clipped to; above 0."""
    epsilon_start: float = 1.0
    """Probability of a random action at the start, in [0, 1]."""
    epsilon_end: float = 0.05
    """The same after its linear decay, in [0, 1]."""
    epsilon_decay_rate: float = 0.45
    """Fraction of all world steps that the decay takes, in [0, 1]."""


def floats(config: Config) -> dict[str, float]:
    """The numbers of `config` that may be traced: what members of one program can have of their own."""
    return {f.name: getattr(config, f.name) for f in fields(config) if f.type is float}


def iteration_steps(config: Config) -> int:
    """World steps of one iteration, `N T`."""
    return config.num_envs * config.num_steps


def num_iterations(config: Config, total_steps: int) -> int:
    """Iterations that fit into `total_steps` world steps after the warm-up."""
    return (total_steps - config.warmup_steps) // iteration_steps(config)


def fill(config: Config, total_steps: int) -> Config:
    """`config` with no more capacity than `total_steps` world steps can fill."""
    rows = max(-(-total_steps // config.num_envs), config.num_steps, config.n_step)
    return replace(config, capacity=min(config.capacity, rows * config.num_envs))


def check(config: Config, total_steps: int) -> None:
    """Raises `ConfigError` unless training by `config` for `total_steps` world steps makes sense.

    Looks at Python numbers only: what is traced cannot be checked.
    """
    check_shapes(config, config.num_envs)
    for name in ("learning_rate", "adam_epsilon", "max_grad_norm"):
        require(
            name,
            getattr(config, name),
            lambda x: 1e-37 < x < 3e38,
            "must be above 0 and finite, as a float32.",
        )
    for name in ("gamma", "epsilon_start", "epsilon_end", "epsilon_decay_rate"):
        require(name, getattr(config, name), lambda x: 0 <= x <= 1, "must lie in [0, 1].")
    require("target_rate", config.target_rate, lambda x: 0 < x <= 1, "must lie in (0, 1].")
    if num_iterations(config, total_steps) < 1:
        least = config.warmup_steps + iteration_steps(config)
        rule = f"must hold the warm-up and one iteration, at least {least}."
        raise ConfigError("steps", total_steps, rule)
    check_at_least("steps", total_steps, 1)


def check_shapes(config: Config, num_envs: int) -> None:
    """Raises `ConfigError` unless the integers fit each other and worlds of `num_envs`."""
    for field in fields(config):
        if field.type is int:
            check_at_least(field.name, getattr(config, field.name), 1)
    if config.num_envs != num_envs:
        raise ConfigError("num_envs", config.num_envs, f"must be that of the env ({num_envs}).")
    for name in ("warmup_steps", "capacity"):
        value = getattr(config, name)
        if value % num_envs:
            raise ConfigError(name, value, f"must be a multiple of num_envs ({num_envs}).")
    rows = config.capacity // num_envs
    if rows < config.num_steps:
        rule = f"must hold one rollout, num_envs * num_steps ({iteration_steps(config)})."
        raise ConfigError("capacity", config.capacity, rule)
    if rows < config.n_step:
        rule = f"must hold num_envs * n_step ({num_envs * config.n_step})."
        raise ConfigError("capacity", config.capacity, rule)


def check_at_least(option: str, value: int, least: int) -> None:
    """Raises `ConfigError` unless `value >= least` and an int32 holds it."""
    if value < least:
        raise ConfigError(option, value, f"must be at least {least}.")
    if value > 2**31 - 1:
        raise ConfigError(option, value, f"must be at most {2**31 - 1}.")


def require(option: str, value: Any, holds: Callable[[Any], bool], rule: str) -> None:
    """Raises `ConfigError` unless `holds(value)`, or the value is traced: that cannot be checked."""
    if isinstance(value, int | float) and not holds(value):
        raise ConfigError(option, value, rule)
