"""What can stand in the place of one choice of an agent, his or ours?"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.blog_agent import NUM_ACTIONS, KerasInit, keras_rmsprop
from experiments.default_recipe import Recipe
from experiments.members import FEATURES, OBS_SCALE
from jaxdqn import agents, envs, networks
from jaxdqn.agents import Agent
from jaxdqn.envs import Env

EPISODES = 500
"""As many as he trained for."""
UPDATES = 28_000
"""In 30,000 steps, of which 2,000 go before the first."""
HIS_WIDTH, HIS_REPLAY = (10, 10), 10_000
SMALL = 0.01
"""A reward, where the errors shall stay in the quadratic part of Huber's loss."""


def falling_epsilon(episode: jax.Array) -> jax.Array:
    """A schedule as many have it, over his episodes: from 1 to 0.02 in their first fifth."""
    return jnp.asarray(optax.linear_schedule(1.0, 0.02, EPISODES // 5)(episode))


def small_rewards(env: Env) -> Env:
    """The same worlds with each reward times `SMALL`."""

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, envs.TimeStep]:
        env_state, timestep = env.step(key, env_state, action)
        return env_state, timestep._replace(reward=SMALL * timestep.reward)

    return env._replace(step=step)


def clipped(learning_rate: Any) -> optax.GradientTransformation:
    """His optimizer behind our clipping."""
    return optax.chain(optax.clip_by_global_norm(10.0), keras_rmsprop(learning_rate))


def his_munchausen() -> Agent:
    """Munchausen's loss on his network."""
    return agents.munchausen(KerasInit(networks.MLP(NUM_ACTIONS, HIS_WIDTH)))


def on(
    features: Sequence[int] = FEATURES,
    obs_scale: Any = OBS_SCALE,
    activation: networks.Activation = networks.norm_relu,
    agent: Callable[..., Agent] = agents.dqn,
    **changed: Any,
) -> Agent:
    """Our agent, or another, on our network with other numbers."""
    return agent(networks.MLP(NUM_ACTIONS, features, obs_scale, activation), **changed)


def huber(delta: float) -> Callable[[jax.Array], jax.Array]:
    """Quadratic up to errors of `delta`, linear beyond."""
    return lambda error: optax.huber_loss(error, delta=delta)


def normal_draw(recipe: Recipe) -> Recipe:
    """His fault, exactly: a normal number is at most ε with probability Φ(ε)."""
    return recipe._replace(
        epsilon=lambda world_steps: jax.scipy.stats.norm.cdf(recipe.epsilon(world_steps))
    )


def adam(rate: Any) -> optax.GradientTransformation:
    """Our optimizer."""
    return optax.adam(rate, eps=1e-4)


def decaying(rate: jax.Array) -> optax.GradientTransformation:
    """His optimizer, its rate falling linearly to 0 over the updates that his steps leave him."""
    del rate
    return keras_rmsprop(optax.linear_schedule(1e-3, 0.0, UPDATES))
