"""What is training by episodes? ε is set, the target follows; then a step and an update, until the episode ends.

The loop of a beginner's first agent, in one world, from the same parts as `jaxdqn.training`. Each of
its choices is a field of `Choices`, so that a study can change one and leave the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import learning, rollout
from jaxdqn.agents import Agent
from jaxdqn.envs import Env
from jaxdqn.learning import Learner, TargetUpdate
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.replay import Replay
from jaxdqn.rollout import Actor

NO_END = 2**31 - 1

Draw = Callable[[jax.Array, tuple[int, ...]], jax.Array]
"""`(key, shape) -> dice`: an action is random where `dice <= epsilon`."""
DRAWS: dict[str, Draw] = {"normal": jax.random.normal, "uniform": jax.random.uniform}
"""What a call of `randn()` does, and what `rand()` does."""


class Synchronise(NamedTuple):
    """When the target network follows."""

    at_start: Callable[[Learner], Learner]
    """Of each episode, before its first step."""
    after_update: TargetUpdate


class Choices(NamedTuple):
    """All that makes an agent; to fix or to break one thing, replace one field."""

    env: Env
    """One world."""
    agent: Agent
    """Network, bootstrap and loss."""
    memory: Replay
    """Capacity, batch and n-step; its draws must not depend on errors, which it is not told."""
    optimizer: Callable[[jax.Array], optax.GradientTransformation]
    """`(learning_rate []) -> optimizer`."""
    learning_rate: optax.Schedule
    """`(episode []) -> rate`, the first episode being 0."""
    epsilon: optax.Schedule
    """`(episode []) -> ε`, what the dice are compared with."""
    draw: Draw
    synchronise: Synchronise
    gamma: float
    """Discount per step."""
    learning_starts: int
    """Transitions in all before the first update."""
    num_updates: int
    """Gradient steps after each step of the world."""


class State(NamedTuple):
    """A whole run as one pytree, between two episodes."""

    learner: Learner
    buffer: Any
    actor: Actor
    world_steps: jax.Array
    """`[]` int32."""
    key: jax.Array


class Episode(NamedTuple):
    """What one episode of training was; `[E]` of E."""

    episode_return: jax.Array
    """`[]` float32, undiscounted, exploration included: a point of the curve one sees while training."""
    epsilon: jax.Array
    """`[]`."""
    world_steps: jax.Array
    """`[]` int32, taken by its end in all."""


def each_episode() -> Synchronise:
    """The target network is copied at the start of each episode, and at no other time."""

    def copy(learner: Learner) -> Learner:
        return learner._replace(target_params=learner.params)

    return Synchronise(copy, lambda params, target_params, num_updates: target_params)


def every(period: int, rate: float = 1.0) -> Synchronise:
    """The target network follows every `period` updates, as in `learning.target_update`."""
    return Synchronise(lambda learner: learner, learning.target_update(period, rate))


def random_if(
    draw: Draw,
    explore: Callable[[jax.Array, Params, jax.Array], jax.Array],
    epsilon: float | jax.Array,
) -> Policy:
    """A uniform action where `draw <= epsilon`, in each world on its own; else `explore`'s best.

    With a uniform draw this is ε-greedy. With a standard normal one it happens with probability
    Φ(ε), the normal distribution function: 84 % at ε = 0.99, and 50 % still at ε = 0.
    """

    def policy(key: jax.Array, params: Params, obs: jax.Array) -> jax.Array:
        explore_key, dice_key, action_key = jax.random.split(key, 3)
        q = explore(explore_key, params, obs)
        dice = draw(dice_key, q.shape[:-1])
        uniform_action = (jax.random.uniform(action_key, q.shape[:-1]) * q.shape[-1]).astype(
            jnp.int32
        )
        return jnp.where(dice <= epsilon, uniform_action, jnp.argmax(q, axis=-1))

    return policy


def init(key: jax.Array, choices: Choices) -> State:
    """Before the first episode: nothing learnt, nothing remembered."""
    learner_key, reset_key, run_key = jax.random.split(key, 3)
    actor = rollout.init(reset_key, choices.env)
    optimizer = choices.optimizer(jnp.float32(0))
    learner = learning.init(learner_key, actor.obs, choices.agent, optimizer)

    def one(key: jax.Array):
        policy = random_if(choices.draw, choices.agent.explore, 0.0)
        return rollout.collect(key, learner.params, actor, choices.env, policy, choices.gamma, 1)[1]

    example = jax.eval_shape(one, run_key)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), example)
    return State(learner, choices.memory.init(zeros), actor, jnp.int32(0), run_key)


def run_episode(
    state: State, episode: jax.Array, choices: Choices, max_steps: int = NO_END
) -> tuple[State, Episode]:
    """Plays and learns for one episode, the `episode []`-th from 0.

    It is not begun after `max_steps` world steps; then its return is not a number.
    """
    epsilon = jnp.asarray(choices.epsilon(episode), jnp.float32)
    policy = random_if(choices.draw, choices.agent.explore, epsilon)
    optimizer = choices.optimizer(jnp.asarray(choices.learning_rate(episode), jnp.float32))

    def step(carry: tuple[State, jax.Array, jax.Array]):
        state, _, _ = carry
        rollout_key, learn_key, run_key = jax.random.split(state.key, 3)
        actor, transitions, episode_return = rollout.collect(
            rollout_key,
            state.learner.params,
            state.actor,
            choices.env,
            policy,
            choices.gamma,
            num_steps=1,
        )
        buffer = choices.memory.add(state.buffer, transitions)
        world_steps = state.world_steps + 1

        def update(learner: Learner, keys: jax.Array) -> tuple[Learner, None]:
            sample_key, loss_key = keys
            learner, _ = learning.update(
                loss_key,
                learner,
                choices.memory.sample(sample_key, buffer),
                choices.agent,
                optimizer,
                choices.synchronise.after_update,
            )
            return learner, None

        def learn(learner: Learner) -> Learner:
            keys = jax.random.split(learn_key, (choices.num_updates, 2))
            return jax.lax.scan(update, learner, keys)[0]

        learner = jax.lax.cond(
            world_steps >= choices.learning_starts, learn, lambda learner: learner, state.learner
        )
        state = State(learner, buffer, actor, world_steps, run_key)
        return state, transitions.finished[0, 0], episode_return[0, 0]

    start = state._replace(learner=choices.synchronise.at_start(state.learner))
    too_late = state.world_steps >= max_steps
    state, _, episode_return = jax.lax.while_loop(
        lambda carry: ~carry[1], step, (start, too_late, jnp.float32(jnp.nan))
    )
    return state, Episode(episode_return, epsilon, state.world_steps)


def train(
    key: jax.Array,
    choices: Choices,
    num_episodes: int,
    period: int,
    look: Callable[[State], Any] = lambda state: state.learner.params,
    max_steps: int = NO_END,
) -> tuple[Episode, Any]:
    """Episodes `[num_episodes]`, and what `look` saw after every `period` of them, `[num_episodes / period, ...]`.

    `period` must divide `num_episodes`; `max_steps` as in `run_episode`. Made to be one
    member of `population.each`: under a `vmap` all members would wait for the longest episode,
    and the rings would be copied at each step.
    """

    def block(state: State, episodes: jax.Array):
        state, found = jax.lax.scan(
            lambda state, episode: run_episode(state, episode, choices, max_steps), state, episodes
        )
        return state, (found, look(state))

    episodes = jnp.arange(num_episodes).reshape(-1, period)
    found, seen = jax.lax.scan(block, init(key, choices), episodes)[1]
    return jax.tree.map(lambda x: x.reshape(-1), found), seen
