"""What is one iteration of deep Q-learning? A rollout, then its updates; a run is a scan over it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxdqn import learning, policies, rollout
from jaxdqn.agents import Agent
from jaxdqn.config import Config, check_shapes, iteration_steps
from jaxdqn.envs import Env
from jaxdqn.learning import Learner
from jaxdqn.networks import Params
from jaxdqn.replay import Replay
from jaxdqn.rollout import Actor


class TrainState(NamedTuple):
    """A whole run as one pytree: saving it is saving everything."""

    learner: Learner
    buffer: Any
    """Always holds experience: the warm-up belongs to `Trainer.init`."""
    actor: Actor
    world_steps: jax.Array
    """`[]` int32, steps taken in all worlds together, the warm-up included."""
    key: jax.Array
    """`[]`, the run's future randomness."""


class Metrics(NamedTuple):
    """What one iteration saw; `[K]` after K of them."""

    world_steps: jax.Array
    """`[]` int32, taken by its end."""
    num_updates: jax.Array
    """`[]` int32, gradient steps taken by its end."""
    loss: jax.Array
    """`[]`, mean over the updates."""
    epsilon: jax.Array
    """`[]`."""
    num_episodes: jax.Array
    """`[]` int32, episodes that ended."""
    return_sum: jax.Array
    """`[]`, their returns added up."""


class Trainer(NamedTuple):
    """The seam between a method and everything that runs it."""

    init: Callable[[jax.Array], Any]
    """`(key) -> state`."""
    step: Callable[[Any], tuple[Any, Metrics]]
    """`(state) -> (state, metrics)`: one iteration."""
    params: Callable[[Any], Params]
    """`(state) -> params`: what a policy would act by."""
    warmup_steps: int
    """World steps that `init` takes."""
    iteration_steps: int
    """World steps that `step` takes."""


def dqn(
    config: Config,
    env: Env,
    agent: Agent,
    replay: Replay,
    optimizer: optax.GradientTransformation,
    epsilon: optax.Schedule,
) -> Trainer:
    """Deep Q-learning from replay: each iteration is T steps in N worlds, then U updates.

    `epsilon` maps world steps taken to the probability of a random action. Raises
    `ConfigError` where numbers and worlds do not fit, `ValueError` where agent and worlds do not.
    """
    check_shapes(config, env.num_envs)
    update_target = learning.target_update(config.target_period, config.target_rate)

    def init(key: jax.Array) -> TrainState:
        params_key, reset_key, warmup_key, run_key = jax.random.split(key, 4)
        actor = rollout.init(reset_key, env)
        learner = learning.init(params_key, actor.obs, agent, optimizer)
        q = jax.eval_shape(agent.q_values, learner.params, actor.obs)
        if q.shape != (env.num_envs, env.num_actions):
            raise ValueError(
                f"q_values ({q.shape}) must have a value for each world and action "
                f"({env.num_envs}, {env.num_actions}); observations are {actor.obs.shape}."
            )
        actor, transitions, _ = rollout.collect(
            warmup_key,
            learner.params,
            actor,
            env,
            policies.random(env.num_actions),
            config.gamma,
            config.warmup_steps // config.num_envs,
        )
        buffer = replay.init(jax.tree.map(lambda x: x[0], transitions))
        buffer = replay.add(buffer, transitions)
        return TrainState(learner, buffer, actor, jnp.int32(config.warmup_steps), run_key)

    def step(state: TrainState) -> tuple[TrainState, Metrics]:
        rollout_key, replay_key, run_key = jax.random.split(state.key, 3)
        epsilon_now = jnp.asarray(epsilon(state.world_steps), jnp.float32)
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
        finished = transitions.finished
        world_steps = state.world_steps + iteration_steps(config)
        metrics = Metrics(
            world_steps=world_steps,
            num_updates=learner.num_updates,
            loss=jnp.mean(loss),
            epsilon=epsilon_now,
            num_episodes=jnp.sum(finished),
            return_sum=jnp.sum(jnp.where(finished, episode_return, 0.0)),
        )
        return TrainState(learner, buffer, actor, world_steps, run_key), metrics

    return Trainer(
        init,
        step,
        params=lambda state: state.learner.params,
        warmup_steps=config.warmup_steps,
        iteration_steps=iteration_steps(config),
    )


def run(trainer: Trainer, state: Any, num_iterations: int) -> tuple[Any, Metrics]:
    """`num_iterations` iterations as one scan; metrics `[num_iterations]`.

    Pure: jit it, and donate the state so that the replay is written in place.
    """
    return jax.lax.scan(lambda state, _: trainer.step(state), state, length=num_iterations)
