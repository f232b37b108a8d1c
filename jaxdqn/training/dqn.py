"""Deep Q-learning from replay: a rollout, then updates, per iteration."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import policies
from jaxdqn.agents import Agent
from jaxdqn.config import Config, check_shapes, iteration_steps
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
    config: Config,
    env: VectorEnv,
    agent: Agent,
    replay: Replay,
    optimizer: optax.GradientTransformation,
    epsilon: optax.Schedule,
) -> Trainer:
    """Deep Q-learning: each iteration takes T steps in N environments, then U updates.

    Mnih et al. (2015), doi:10.1038/nature14236. `epsilon` maps environment steps taken to the
    probability of a random action. Raises `ConfigError` if config and environment do not
    match, `ValueError` (from `init`) if agent and environment do not.
    """
    check_shapes(config, env.num_envs)
    update_target = learning.target_update(config.target_period, config.tau)

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
            config.gamma,
            config.learning_starts // config.num_envs,
        )
        buffer = replay.init(jax.tree.map(lambda x: x[0], transitions))
        buffer = replay.add(buffer, transitions)
        return TrainState(learner, buffer, actor, jnp.int32(config.learning_starts), run_key)

    def step(state: TrainState) -> tuple[TrainState, Metrics]:
        rollout_key, replay_key, run_key = jax.random.split(state.key, 3)
        epsilon_now = jnp.asarray(epsilon(state.env_steps), jnp.float32)
        actor, transitions, episode_return = rollout.collect(
            rollout_key,
            state.learner.params,
            state.actor,
            env,
            policies.epsilon_greedy(agent.explore, epsilon_now),
            config.gamma,
            config.num_steps,
        )
        buffer = replay.add(state.buffer, transitions)

        def update(carry: tuple[Learner, Any], keys: jax.Array):
            learner, buffer = carry
            sample_key, loss_key = keys
            sample = replay.sample(sample_key, buffer)
            learner, info = learning.update(
                loss_key, learner, sample, agent, optimizer, update_target
            )
            return (learner, replay.update(buffer, sample.handle, info.td_error)), info.loss

        keys = jax.random.split(replay_key, (config.num_updates, 2))
        (learner, buffer), loss = jax.lax.scan(update, (state.learner, buffer), keys)
        done = transitions.done
        env_steps = state.env_steps + iteration_steps(config)
        metrics = Metrics(
            env_steps=env_steps,
            num_updates=learner.num_updates,
            loss=jnp.mean(loss),
            epsilon=epsilon_now,
            num_episodes=jnp.sum(done),
            return_sum=jnp.sum(jnp.where(done, episode_return, 0.0)),
        )
        return TrainState(learner, buffer, actor, env_steps, run_key), metrics

    return Trainer(
        init,
        step,
        params=lambda state: state.learner.params,
        learning_starts=config.learning_starts,
        iteration_steps=iteration_steps(config),
    )
