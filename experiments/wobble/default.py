"""The default agent of the project, of which a study replaces one part."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn import envs, evaluation, policies, recipes
from jaxdqn.agents import Agent
from jaxdqn.networks import Params
from jaxdqn.recipes import Recipe
from jaxdqn.recipes.classic import CARTPOLE


def default(steps: int, **hyperparameters: float) -> Recipe:
    """The recipe of DQN on CartPole for `steps` environment steps, with other `hyperparameters`."""
    recipe = recipes.find(CARTPOLE)
    config = dataclasses.replace(recipe.config, **hyperparameters)  # pyright: ignore[reportArgumentType]
    return dataclasses.replace(recipe, config=config, steps=steps)


def with_agent(recipe: Recipe, agent: Agent) -> Recipe:
    """`recipe` with another agent, which does not depend on its hyperparameters."""
    return recipe.with_agent(lambda torso, num_actions, config: agent)


def with_epsilon(recipe: Recipe, change: Any) -> Recipe:
    """`recipe` with `change(ε)` in place of ε."""
    before = recipe.algorithm.epsilon

    def epsilon(config: Any, total_steps: int) -> Any:
        schedule = before(config, total_steps)
        return lambda env_steps: change(schedule(env_steps))

    return dataclasses.replace(recipe, algorithm=recipe.algorithm._replace(epsilon=epsilon))


def with_optimizer(recipe: Recipe, optimizer: Any) -> Recipe:
    """`recipe` with another optimizer, `(config, learning_rate) -> optimizer`."""
    return dataclasses.replace(recipe, algorithm=recipe.algorithm._replace(optimizer=optimizer))


def mean_return(agent: Agent, num_episodes: int) -> Any:
    """`(key, params) -> []`: mean evaluation return of an agent on CartPole, greedy."""
    env, policy = (
        envs.vectorize(envs.gymnax(CARTPOLE), num_episodes),
        policies.greedy(agent.q_values),
    )

    def evaluate(key: jax.Array, params: Params) -> jax.Array:
        return jnp.mean(evaluation.evaluate(key, params, env, policy).returns)

    return evaluate
