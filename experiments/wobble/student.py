"""The student's agent: deep Q-learning in Keras on CartPole-v1.

This is the agent whose reward curve "goes up and down so much": two hidden layers of ten units,
RMSprop, squared loss. What its author specified is fixed here; what the author left open is an
argument of `student`.

To change one part: `student()._replace(gamma=0.99)`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.wobble.episodes import DRAWS, Draw, EpisodicConfig, each_episode
from jaxdqn import agents, envs, networks, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.agents.agent import Network
from jaxdqn.envs import Env
from jaxdqn.networks import Params
from jaxdqn.recipes.classic import CARTPOLE

NUM_ACTIONS = 2
FEATURES = (10, 10)
"""Units of the hidden layers."""
BUFFER_SIZE, BATCH_SIZE = 10_000, 100


def student(
    time_limit: int = 500,
    learning_starts: int = 2_000,
    draw: Draw = DRAWS["normal"],
    buffer_size: int = BUFFER_SIZE,
    learning_rate: float = 1e-3,
) -> EpisodicConfig:
    """The version that learnt.

    The author does not state `buffer_size`, which must be at least 2,000, or training would never
    start, and matters up to 50,000, more than most runs collect; nor `learning_rate`, here the
    default of Keras, as are the other numbers of RMSprop (ρ 0.9, ε 1e-7, added outside the root
    in the Keras of that time).
    """
    return EpisodicConfig(
        env=envs.vectorize(limit_is_failure(envs.gymnax(CARTPOLE), time_limit), 1),
        agent=make_agent(),
        replay=replay.uniform(buffer_size, BATCH_SIZE),
        optimizer=keras_rmsprop,
        learning_rate=optax.constant_schedule(learning_rate),
        epsilon=lambda episode: jnp.maximum(0.99 * 0.995**episode, 0.01),
        draw=draw,
        synchronise=each_episode(),
        gamma=0.9,
        learning_starts=learning_starts,
        num_updates=1,
    )


def failing(**left_open: Any) -> EpisodicConfig:
    """The first version, which according to its author learnt nothing in 30,000 episodes."""
    return student(time_limit=2_000, learning_starts=100, **left_open)


def make_agent(
    features: Sequence[int] = FEATURES,
    obs_scale: float | Sequence[float] = 1.0,
    activation: networks.Activation = jax.nn.relu,
    bootstrap: Callable[[jax.Array, jax.Array], jax.Array] = targets.max_q,
    error_loss: Callable[[jax.Array], jax.Array] = optax.l2_loss,
) -> Agent:
    """Deep Q-learning with a network initialised as in Keras.

    `δ² / 2` is Keras' mean squared error over two outputs, one of which has no error.
    """
    network = networks.QNetwork(networks.mlp(features, obs_scale, activation), NUM_ACTIONS)
    return agents.dqn(KerasInit(network), bootstrap, error_loss)


class KerasInit(NamedTuple):
    """A network with the initialisation of Keras: Glorot & Bengio (2010), uniform; zero biases."""

    network: Network

    def init(self, key: jax.Array, obs: jax.Array) -> Params:
        """Replaces every parameter with two axes."""
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


def limit_is_failure(env: Env, time_limit: int) -> Env:
    """`env` with a time limit that terminates an episode: nothing is bootstrapped after it."""

    def reset(key: jax.Array) -> tuple[Any, jax.Array]:
        return env.reset(key), jnp.int32(0)

    def step(key: jax.Array, state: tuple[Any, jax.Array], action: jax.Array):
        inner, reward, terminated = env.step(key, state[0], action)
        time = state[1] + 1
        return (inner, time), reward, terminated | (time >= time_limit)

    def observe(state: tuple[Any, jax.Array]) -> jax.Array:
        return env.observe(state[0])

    return Env(reset, step, observe, env.num_actions)
