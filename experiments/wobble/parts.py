"""Replacements for single parts of the student's agent and of the default agent."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.wobble import student
from experiments.wobble.default import with_epsilon
from experiments.wobble.student import KerasInit, keras_rmsprop
from jaxdqn import agents, networks
from jaxdqn.agents import Agent
from jaxdqn.config import Config
from jaxdqn.recipes import Recipe
from jaxdqn.recipes.classic import OBS_SCALE

EPISODES = 500
"""Training episodes of the student's agent."""
UPDATES = 28_000
"""Gradient steps of the student's agent in 30,000 environment steps, 2,000 of which precede the first."""
REWARD_SCALE = 0.01
"""Factor of the rewards with which TD errors stay in the quadratic part of the Huber loss."""


def falling_epsilon(episode: jax.Array) -> jax.Array:
    """A common schedule of ε: linear from 1 to 0.02 in the first fifth of the episodes."""
    return jnp.asarray(optax.linear_schedule(1.0, 0.02, EPISODES // 5)(episode))


def clipped(learning_rate: Any) -> optax.GradientTransformation:
    """The student's optimizer with the gradient clipping of the default agent."""
    return optax.chain(optax.clip_by_global_norm(10.0), keras_rmsprop(learning_rate))


def student_munchausen() -> Agent:
    """Munchausen DQN with the student's network."""
    network = networks.QNetwork(networks.mlp(student.FEATURES), student.NUM_ACTIONS)
    return agents.munchausen(KerasInit(network))


def default_agent(
    features: Sequence[int] = Config.features,
    obs_scale: Any = OBS_SCALE,
    activation: networks.Activation = networks.norm_relu,
    agent: Callable[..., Agent] = agents.dqn,
    **options: Any,
) -> Agent:
    """The default agent, or another algorithm, with another network; `options` are those of `agent`."""
    torso = networks.mlp(features, obs_scale, activation)
    return agent(networks.QNetwork(torso, student.NUM_ACTIONS), **options)


def huber(delta: float) -> Callable[[jax.Array], jax.Array]:
    """The Huber loss: quadratic for errors up to `delta`, linear above."""
    return lambda error: optax.huber_loss(error, delta=delta)


def normal_draw(recipe: Recipe) -> Recipe:
    """The student's error in the default agent: a standard normal number is at most ε with probability Φ(ε)."""
    return with_epsilon(recipe, jax.scipy.stats.norm.cdf)


def adam(learning_rate: Any) -> optax.GradientTransformation:
    """The optimizer of the default agent."""
    return optax.adam(learning_rate, eps=1e-4)


def decaying(learning_rate: jax.Array) -> optax.GradientTransformation:
    """The student's optimizer with a learning rate that falls linearly to 0 over all updates."""
    del learning_rate
    return keras_rmsprop(optax.linear_schedule(1e-3, 0.0, UPDATES))
