"""What was the student's agent? His choices, and those that he left open.

The agent whose reward curve "goes up and down so much": deep Q-learning in Keras on CartPole-v1,
two hidden layers of ten units, RMSprop, squared loss. What its author wrote is fixed here; what
he left open is an argument of `blog`, with the range that fits his words.

A study changes one thing: `blog()._replace(gamma=0.99)`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.episodes import DRAWS, Choices, Draw, each_episode
from jaxdqn import agents, envs, networks, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.agents.agent import Network
from jaxdqn.envs import Env
from jaxdqn.networks import Params

ENV = "CartPole-v1"
NUM_ACTIONS = 2


def blog(
    time_limit: int = 500,
    learning_starts: int = 2_000,
    draw: Draw = DRAWS["normal"],
    capacity: int = 10_000,
    learning_rate: float = 1e-3,
) -> Choices:
    """The agent that learnt.

    Left open by its author: `capacity`, between 2,000, or there would never be training, and
    50,000, all that most of them ever see; `learning_rate`, here Keras' own, with whose other numbers
    RMSprop comes too (ρ 0.9, ε 1e-7, outside the root as in the Keras of that time).
    """
    return Choices(
        env=limit_is_failure(envs.from_gymnax(ENV, 1, max_steps_in_episode=time_limit)),
        agent=make_agent(),
        memory=replay.uniform(capacity, batch_size=100),
        optimizer=keras_rmsprop,
        learning_rate=optax.constant_schedule(learning_rate),
        epsilon=lambda episode: jnp.maximum(0.99 * 0.995**episode, 0.01),
        draw=draw,
        synchronise=each_episode(),
        gamma=0.9,
        learning_starts=learning_starts,
        num_updates=1,
    )


def failing(**left_open: Any) -> Choices:
    """The first version, of which its author says that it learnt nothing in 30,000 episodes."""
    return blog(time_limit=2_000, learning_starts=100, **left_open)


def make_agent(
    features: Sequence[int] = (10, 10),
    obs_scale: float | Sequence[float] = 1.0,
    activation: networks.Activation = jax.nn.relu,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """Deep Q-learning with a network as Keras would make it.

    `δ² / 2` is Keras' mean squared error over two outputs, of which one has no error.
    """
    layers = networks.MLP(NUM_ACTIONS, features, obs_scale, activation)
    return agents.dqn(KerasInit(layers), bootstrap, error_loss)


class KerasInit(NamedTuple):
    """A network whose matrices are drawn by Glorot & Bengio's uniform (2010), as Keras does; biases zero."""

    network: Network

    def init(self, key: jax.Array, obs: jax.Array) -> Params:
        """All leaves of two axes are taken for matrices."""
        init_key, draw_key = jax.random.split(key)
        leaves, structure = jax.tree.flatten(self.network.init(init_key, obs))
        keys = jax.random.split(draw_key, len(leaves))
        draw = jax.nn.initializers.glorot_uniform()
        return structure.unflatten(
            [draw(key, x.shape) if x.ndim == 2 else x for key, x in zip(keys, leaves, strict=True)]
        )

    def apply(self, params: Params, obs: jax.Array) -> jax.Array:
        return self.network.apply(params, obs)


def keras_rmsprop(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """`θ -= rate g / (√v + 1e-7)`, `v = 0.9 v + 0.1 g²`; Tieleman & Hinton (2012), lecture 6.5."""
    return optax.rmsprop(learning_rate, decay=0.9, eps=1e-7, eps_in_sqrt=False)


def limit_is_failure(env: Env) -> Env:
    """The same worlds, where the clock's end counts as a fall: nothing is worth anything after it."""

    def step(key: jax.Array, env_state: Any, action: jax.Array) -> tuple[Any, envs.TimeStep]:
        env_state, timestep = env.step(key, env_state, action)
        terminated = timestep.terminated | timestep.truncated
        return env_state, timestep._replace(terminated=terminated)

    return env._replace(step=step)
