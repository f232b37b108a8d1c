"""The trainings that `peers.py` times in each library."""

from typing import Literal, NamedTuple

WorkName = Literal["cartpole", "breakout", "breakout-pqn"]


class Work(NamedTuple):
    """Single-step targets, ReLU without LayerNorm, Adam without a schedule; nothing is evaluated."""

    env: str
    num_envs: int
    num_updates: int
    """Per iteration: of DQN per step of all environments, of PQN per rollout."""
    batch_size: int
    iterations: int
    """Iterations of a timed call."""
    features: tuple[int, ...]
    channels: tuple[int, ...] = ()
    """Of convolutions of 3 x 3; none for vectors."""
    buffer_size: int = 10_000
    num_steps: int = 1
    num_epochs: int = 0
    """0 for DQN, at least 1 for PQN."""


BREAKOUT = Work("Breakout-MinAtar", 64, 8, 64, 50, features=(128,), channels=(16,))
WORKS: dict[WorkName, Work] = {
    "cartpole": Work("CartPole-v1", 10, 1, 128, 2_000, features=(120, 84)),
    "breakout": BREAKOUT,
    "breakout-pqn": BREAKOUT._replace(
        num_envs=128, num_updates=64, batch_size=128, iterations=4, num_steps=32, num_epochs=2
    ),
}
"""Of published benchmarks, and the sizes of our recipes for MinAtar."""
