"""Plan of a run: its length, its evaluations and its checkpoints."""

import dataclasses

from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.training.population import Population


@dataclasses.dataclass(frozen=True)
class Plan:
    """The length of a run and its intervals. A chunk is the training between two evaluations."""

    agents: Population
    total_steps: int
    """Environment steps per agent, including `learning_starts`; rounded down to whole iterations."""
    learning_starts: int
    """Environment steps before the first iteration."""
    iteration_steps: int
    """Environment steps of an iteration."""
    eval_interval: int
    """Environment steps of a chunk; the last chunk may be shorter."""
    checkpoint_interval: int
    """Chunks between two checkpoints; the last chunk is always saved."""
    keep: int = 3
    """Number of latest checkpoints to keep; the best one is kept as well."""

    @property
    def num_iterations(self) -> int:
        return (self.total_steps - self.learning_starts) // self.iteration_steps

    @property
    def chunk_iterations(self) -> int:
        return self.eval_interval // self.iteration_steps

    @property
    def num_chunks(self) -> int:
        return -(-self.num_iterations // self.chunk_iterations)

    def length(self, chunk: int) -> int:
        """Iterations of chunk number `chunk`, counted from 1."""
        before = (chunk - 1) * self.chunk_iterations
        return min(self.chunk_iterations, self.num_iterations - before)

    def is_checkpoint(self, chunk: int) -> bool:
        """Whether a checkpoint is saved after chunk number `chunk`."""
        return chunk % self.checkpoint_interval == 0 or chunk == self.num_chunks

    def is_snapshot(self, chunk: int) -> bool:
        """Whether a policy is kept to show how learning went: after chunk 1, 2, 4, 8 and so on."""
        return chunk & (chunk - 1) == 0

    def check(self) -> None:
        """Raises `ConfigError` if the plan is invalid."""
        check_at_least("checkpoint_interval", self.checkpoint_interval, 1)
        check_at_least("keep", self.keep, 1)
        least = self.learning_starts + self.iteration_steps
        if self.total_steps < least:
            rule = f"must be at least learning_starts and one iteration ({least})."
            raise ConfigError("steps", self.total_steps, rule)
        if self.chunk_iterations < 1:
            rule = f"must be at least one iteration, num_envs * num_steps ({self.iteration_steps})."
            raise ConfigError("eval_interval", self.eval_interval, rule)
