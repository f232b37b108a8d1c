"""Deep Q-learning from replay: a rollout, then updates, per iteration."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import policies
from jaxdqn.agents import Agent
from jaxdqn.config import validate
from jaxdqn.envs import VectorEnv
from jaxdqn.replay import Replay
from jaxdqn.training import learning, rollout
from jaxdqn.training.learning import Learner
from jaxdqn.training.rollout import Actor
from jaxdqn.training.trainer import Metrics, Trainer


class TrainState(NamedTuple):
    """The complete state of a training run: all that a checkpoint needs."""

    learner: Learner
    buffer: Any
    """Never empty: `Trainer.init` collects the first `learning_starts` transitions."""
    actor: Actor
    env_steps: jax.Array
    """`[]` int32, steps taken in all environments, including the first `learning_starts`."""
    key: jax.Array
    """`[]`, source of all future random numbers."""


def dqn(
    env: VectorEnv,
    agent: Agent,
    replay: Replay,
    optimizer: optax.GradientTransformation,
    epsilon: optax.Schedule,
    *,
    num_steps: int = 1,
    num_updates: int = 1,
    learning_starts: int = 1_000,
    gamma: float | jax.Array = 0.99,
    target_period: int = 8,
    tau: float | jax.Array = 1.0,
) -> Trainer:
    """Deep Q-learning: each iteration takes T = `num_steps` steps in N environments, then U = `num_updates` updates.

    Mnih et al. (2015), doi:10.1038/nature14236. `epsilon` maps environment steps taken to the
    probability of a random action, `[]`, or `[N]` with one for each environment. The other
    arguments have the meaning of the fields of the same name in `Config`, but not their defaults,
    which are tuned for CartPole. `learning_starts` is rounded up to a multiple of N. Raises
    `ConfigError` for invalid numbers, `ValueError` (from `init`) if agent and environment do not match.
    """
    validate(num_steps=num_steps, num_updates=num_updates, learning_starts=learning_starts)
    validate(gamma=gamma, target_period=target_period, tau=tau)
    update_target = learning.target_update(target_period, tau)
    random_steps = -(-learning_starts // env.num_envs)
    iteration_steps = env.num_envs * num_steps

    def init(key: jax.Array) -> TrainState:
        params_key, reset_key, random_key, run_key = jax.random.split(key, 4)
        actor = rollout.init(reset_key, env)
        learner = learning.init(params_key, actor.obs, agent, optimizer)
        q = jax.eval_shape(agent.q_values, learner.params, actor.obs)
        if q.shape != (env.num_envs, env.num_actions):
            raise ValueError(
                f"q_values ({q.shape}) must have shape [num_envs, num_actions] "
                f"({env.num_envs}, {env.num_actions}); observations have shape {actor.obs.shape}."
            )
        actor, transitions, _ = rollout.collect(
            random_key,
            learner.params,
            actor,
            env,
            policies.random(env.num_actions),
            gamma,
            random_steps,
        )
        buffer = replay.init(jax.tree.map(lambda x: x[0], transitions))
        buffer = replay.add(buffer, transitions)
        env_steps = jnp.int32(random_steps * env.num_envs)
        return TrainState(learner, buffer, actor, env_steps, run_key)

    def step(state: TrainState) -> tuple[TrainState, Metrics]:
        rollout_key, replay_key, run_key = jax.random.split(state.key, 3)
        epsilon_now = jnp.asarray(epsilon(state.env_steps), jnp.float32)
        actor, transitions, episodes = rollout.collect(
            rollout_key,
            state.learner.params,
            state.actor,
            env,
            policies.epsilon_greedy(agent.explore, epsilon_now),
            gamma,
            num_steps,
        )
        buffer = replay.add(state.buffer, transitions)

        def update(carry: tuple[Learner, Any], keys: jax.Array):
            learner, buffer = carry
            sample_key, update_key = keys
            sample = replay.sample(sample_key, buffer)
            learner, info = learning.update(
                update_key, learner, sample, agent, optimizer, update_target
            )
            buffer = replay.update(buffer, sample.handle, info.priority)
            return (learner, buffer), (info.loss, jnp.mean(jnp.abs(info.td_error)), info.grad_norm)

        keys = jax.random.split(replay_key, (num_updates, 2))
        (learner, buffer), each = jax.lax.scan(update, (state.learner, buffer), keys)
        loss, td_error, grad_norm = jax.tree.map(jnp.mean, each)
        env_steps = state.env_steps + iteration_steps
        metrics = Metrics(
            env_steps=env_steps,
            num_updates=learner.num_updates,
            loss=loss,
            epsilon=jnp.mean(epsilon_now),
            td_error=td_error,
            grad_norm=grad_norm,
            episodes=episodes,
        )
        return TrainState(learner, buffer, actor, env_steps, run_key), metrics

    def value(state: TrainState) -> jax.Array:
        return jnp.mean(jnp.max(agent.q_values(state.learner.params, state.actor.obs), axis=-1))

    return Trainer(
        init,
        step,
        params=lambda state: state.learner.params,
        value=value,
        learning_starts=random_steps * env.num_envs,
        iteration_steps=iteration_steps,
    )
