"""Training by episodes: the loop of a beginner's first agent, in one environment.

Before each episode ε is set and the target network is synchronised; each environment step is
followed by updates. The loop uses the same parts as `jaxdqn.training`. Each design choice is a
field of `EpisodicConfig`, so that a study can change one and keep the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn.agents import Agent
from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.replay import Replay
from jaxdqn.training import learning, rollout
from jaxdqn.training.learning import Learner, TargetUpdate
from jaxdqn.training.rollout import Actor

NO_LIMIT = 2**31 - 1

Draw = Callable[[jax.Array, tuple[int, ...]], jax.Array]
"""`(key, shape) -> number`: an action is random where `number <= epsilon`."""
DRAWS: dict[str, Draw] = {"normal": jax.random.normal, "uniform": jax.random.uniform}
"""NumPy's `randn()` and `rand()`."""


class Synchronise(NamedTuple):
    """When the target network is updated."""

    at_start: Callable[[Learner], Learner]
    """Applied at the start of each episode."""
    after_update: TargetUpdate
    """Applied after each gradient step."""


class EpisodicConfig(NamedTuple):
    """All parts and hyperparameters of an agent that is trained by episodes."""

    env: VectorEnv
    """One environment, N = 1."""
    agent: Agent
    """Network, bootstrap and loss."""
    replay: Replay
    """Buffer size, batch size and n-step. `Replay.update` is never called, so it must be uniform."""
    optimizer: Callable[[jax.Array], optax.GradientTransformation]
    """`(learning_rate []) -> optimizer`."""
    learning_rate: optax.Schedule
    """`(episode []) -> learning rate`; the first episode is 0."""
    epsilon: optax.Schedule
    """`(episode []) -> ε`, the threshold for `draw`."""
    draw: Draw
    """The random number that is compared with ε."""
    synchronise: Synchronise
    gamma: float
    """Discount per environment step."""
    learning_starts: int
    """Environment steps before the first update."""
    num_updates: int
    """Gradient steps per environment step."""


class State(NamedTuple):
    """The state of a training run between two episodes."""

    learner: Learner
    buffer: Any
    actor: Actor
    env_steps: jax.Array
    """`[]` int32."""
    key: jax.Array


class Episode(NamedTuple):
    """Results of one training episode; `[E]` for E episodes."""

    episode_return: jax.Array
    """`[]` float32, undiscounted, with exploration: a point of the training curve."""
    epsilon: jax.Array
    """`[]`."""
    env_steps: jax.Array
    """`[]` int32, environment steps since the start of training."""


def each_episode() -> Synchronise:
    """Copies the parameters to the target network at the start of each episode only."""

    def copy(learner: Learner) -> Learner:
        return learner._replace(target_params=learner.params)

    return Synchronise(copy, lambda params, target_params, num_updates: target_params)


def every(period: int, tau: float = 1.0) -> Synchronise:
    """Updates the target network every `period` gradient steps, as `learning.target_update` does."""
    return Synchronise(lambda learner: learner, learning.target_update(period, tau))


def random_if(
    draw: Draw,
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array],
    epsilon: float | jax.Array,
) -> Policy:
    """A uniform action where `draw <= epsilon`, independently in each environment; else `argmax_a q(a)`.

    With a uniform draw this is ε-greedy. With a standard normal draw an action is random with
    probability Φ(ε), the normal distribution function: 84 % at ε = 0.99, and still 50 % at ε = 0.
    """

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        explore_key, noise_key, action_key = jax.random.split(key, 3)
        q = explore(explore_key, params, obs)
        noise = draw(noise_key, q.shape[:-1])
        uniform_action = (jax.random.uniform(action_key, q.shape[:-1]) * q.shape[-1]).astype(
            jnp.int32
        )
        return jnp.where(noise <= epsilon, uniform_action, jnp.argmax(q, axis=-1))

    return policy


def init(key: jax.Array, config: EpisodicConfig) -> State:
    """The state before the first episode, with an empty replay buffer."""
    learner_key, reset_key, run_key = jax.random.split(key, 3)
    actor = rollout.init(reset_key, config.env)
    optimizer = config.optimizer(jnp.float32(0))
    learner = learning.init(learner_key, actor.obs, config.agent, optimizer)

    def one(key: jax.Array):
        policy = random_if(config.draw, config.agent.explore, 0.0)
        return rollout.collect(key, learner.params, actor, config.env, policy, config.gamma, 1)[1]

    example = jax.eval_shape(one, run_key)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), example)
    return State(learner, config.replay.init(zeros), actor, jnp.int32(0), run_key)


def run_episode(
    state: State, episode: jax.Array, config: EpisodicConfig, max_steps: int = NO_LIMIT
) -> tuple[State, Episode]:
    """Trains for one episode, number `episode []`, counted from 0.

    After `max_steps` environment steps no further episode starts; its return is then NaN.
    """
    epsilon = jnp.asarray(config.epsilon(episode), jnp.float32)
    policy = random_if(config.draw, config.agent.explore, epsilon)
    optimizer = config.optimizer(jnp.asarray(config.learning_rate(episode), jnp.float32))

    def step(carry: tuple[State, jax.Array, jax.Array]):
        state, _, _ = carry
        rollout_key, learn_key, run_key = jax.random.split(state.key, 3)
        actor, transitions, ended = rollout.collect(
            rollout_key,
            state.learner.params,
            state.actor,
            config.env,
            policy,
            config.gamma,
            num_steps=1,
        )
        buffer = config.replay.add(state.buffer, transitions)
        env_steps = state.env_steps + 1

        def update(learner: Learner, keys: jax.Array) -> tuple[Learner, None]:
            sample_key, loss_key = keys
            learner, _ = learning.update(
                loss_key,
                learner,
                config.replay.sample(sample_key, buffer),
                config.agent,
                optimizer,
                config.synchronise.after_update,
            )
            return learner, None

        def learn(learner: Learner) -> Learner:
            keys = jax.random.split(learn_key, (config.num_updates, 2))
            return jax.lax.scan(update, learner, keys)[0]

        learner = jax.lax.cond(
            env_steps >= config.learning_starts, learn, lambda learner: learner, state.learner
        )
        state = State(learner, buffer, actor, env_steps, run_key)
        return state, transitions.done[0, 0], ended.returns[0, 0]

    start = state._replace(learner=config.synchronise.at_start(state.learner))
    too_late = state.env_steps >= max_steps
    state, _, episode_return = jax.lax.while_loop(
        lambda carry: ~carry[1], step, (start, too_late, jnp.float32(jnp.nan))
    )
    return state, Episode(episode_return, epsilon, state.env_steps)


def train(
    key: jax.Array,
    config: EpisodicConfig,
    num_episodes: int,
    period: int,
    measure: Callable[[State], Any] = lambda state: state.learner.params,
    max_steps: int = NO_LIMIT,
) -> tuple[Episode, Any]:
    """Returns the episodes `[num_episodes]`, and `measure(state)` every `period` episodes.

    The leading axis of the measurements is `[num_episodes / period]`; `period` must divide
    `num_episodes`. `max_steps` as in `run_episode`. Use it in `population.each`, which maps
    seeds one after another on a CPU: under `jax.vmap` all seeds would wait for the longest
    episode, and the replay buffers would be copied at each step.
    """

    def block(state: State, episodes: jax.Array):
        state, played = jax.lax.scan(
            lambda state, episode: run_episode(state, episode, config, max_steps), state, episodes
        )
        return state, (played, measure(state))

    episodes = jnp.arange(num_episodes).reshape(-1, period)
    played, measured = jax.lax.scan(block, init(key, config), episodes)[1]
    return jax.tree.map(lambda x: x.reshape(-1), played), measured
