"""What is our default, choice by choice, so that a study can break one of them?

The composition of `cartpole.make_trainer` for plain DQN, with every part a field: to
break one thing, replace one field, `default(steps)._replace(env=...)`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import optax

from experiments import members
from jaxdqn import envs, replay, training
from jaxdqn.agents import Agent
from jaxdqn.config import Config, fill, num_iterations
from jaxdqn.envs import Env
from jaxdqn.training import Trainer


class Recipe(NamedTuple):
    """All that makes the agent."""

    config: Config
    env: Env
    agent: Agent
    optimizer: Callable[[optax.Schedule], optax.GradientTransformation]
    """Of a learning rate; without the clipping."""
    learning_rate: optax.Schedule
    """`(num_updates []) -> rate`."""
    epsilon: optax.Schedule
    """`(world_steps []) -> probability of a random action`."""


def default(steps: int, **numbers: float) -> Recipe:
    """The default for `steps` world steps, with other `numbers` of its `Config`."""
    config = fill(Config(**numbers), steps)  # pyright: ignore[reportArgumentType]
    num_updates = num_iterations(config, steps) * config.num_updates

    def epsilon(world_steps):
        progress = world_steps / jnp.maximum(config.epsilon_decay_rate * steps, 1.0)
        fall = config.epsilon_start - config.epsilon_end
        return config.epsilon_start - fall * jnp.minimum(progress, 1.0)

    return Recipe(
        config=config,
        env=envs.from_gymnax(members.ENV, config.num_envs),
        agent=members.make_agent("dqn"),
        optimizer=lambda rate: optax.adam(rate, eps=config.adam_epsilon),
        learning_rate=optax.linear_schedule(config.learning_rate, 0.0, num_updates),
        epsilon=epsilon,
    )


def make_trainer(recipe: Recipe) -> Trainer:
    """Training by the recipe."""
    config = recipe.config
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), recipe.optimizer(recipe.learning_rate)
    )
    memory = replay.uniform(config.capacity, config.batch_size, config.n_step)
    return training.dqn(config, recipe.env, recipe.agent, memory, optimizer, recipe.epsilon)
