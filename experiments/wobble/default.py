"""The default agent of the project as a tuple of parts, so that a study can replace one.

The parts are those of `classic.make_trainer` for plain DQN. To change one:
`default(steps)._replace(env=...)`.
"""

from collections.abc import Callable
from typing import NamedTuple

import optax

from jaxdqn import envs, replay, training
from jaxdqn.agents import Agent
from jaxdqn.config import Config, fill, num_iterations
from jaxdqn.envs import VectorEnv
from jaxdqn.recipes import classic
from jaxdqn.training import Trainer


class Recipe(NamedTuple):
    """All parts and hyperparameters of the agent."""

    config: Config
    env: VectorEnv
    agent: Agent
    optimizer: Callable[[optax.Schedule], optax.GradientTransformation]
    """`(learning_rate) -> optimizer`, without gradient clipping."""
    learning_rate: optax.Schedule
    """`(num_updates []) -> learning rate`."""
    epsilon: optax.Schedule
    """`(env_steps []) -> probability of a random action`."""


def default(steps: int, **hyperparameters: float) -> Recipe:
    """The default agent for `steps` environment steps, with other `hyperparameters` of `Config`."""
    config = fill(Config(**hyperparameters), steps)  # pyright: ignore[reportArgumentType]
    num_updates = num_iterations(config, steps) * config.num_updates
    return Recipe(
        config=config,
        env=envs.from_gymnax(classic.ENV, config.num_envs),
        agent=classic.make_agent("dqn"),
        optimizer=lambda rate: optax.adam(rate, eps=config.adam_epsilon),
        learning_rate=optax.linear_schedule(config.learning_rate, 0.0, num_updates),
        epsilon=classic.linear_epsilon(config, steps),
    )


def make_trainer(recipe: Recipe) -> Trainer:
    """The trainer of a recipe."""
    config = recipe.config
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), recipe.optimizer(recipe.learning_rate)
    )
    buffer = replay.uniform(config.buffer_size, config.batch_size, config.n_step)
    return training.dqn(config, recipe.env, recipe.agent, buffer, optimizer, recipe.epsilon)
