"""Training and measurement of one seed of an arm.

`student_training`, `default_training` and `long_training` return functions of a random key, to be
mapped over seeds by `population.each`. A training has P evaluations with the greedy policy; the
last one is at its end. A training with `measured=True` has many evaluations, each with a
`probes.Measurement`; any other has one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.wobble import default, episodes, probes, variance
from experiments.wobble.episodes import DRAWS, EpisodicConfig
from experiments.wobble.probes import Measurement, States
from jaxdqn import envs, training
from jaxdqn.recipes import Recipe
from jaxdqn.recipes.classic import CARTPOLE

Training = Callable[[jax.Array], "Results"]

POLICY_PERIOD = 2
"""Episodes between two policies of the student's agent that are kept; some of them play again."""
NUM_POLICIES, NUM_REPEATS = 10, 20
"""Policies of the last fifth, and further episodes of each, with exploration: P and K of `variance.split`."""
NUM_STATES, NUM_STEPS = 64, 750
"""Fixed states, and steps played from each. The rest of a return is below 5 % for γ 0.996, and 0 for γ 0.9."""


class Plan(NamedTuple):
    """The length of the training of one seed."""

    steps: int = 30_000
    """Environment steps; the student's agent may reach `episodes` before."""
    episodes: int = 500
    """Episodes of the student's agent."""
    num_measurements: int = 25
    """Measurements of the default agent; iterations that do not divide precede the first one."""
    measurement_period: int = 10
    """Episodes between two measurements of the student's agent; a multiple of `POLICY_PERIOD`."""
    eval_episodes: int = 100


class Results(NamedTuple):
    """Results of one seed."""

    env_steps: jax.Array
    """`[P]` int32."""
    eval_return: jax.Array
    """`[P]`, mean return of an evaluation."""
    measurement: Measurement | None
    """`[P]`."""
    repeated: jax.Array | None
    """`[NUM_POLICIES, NUM_REPEATS]`, returns of the student's last policies, with their exploration."""


def make_measure(agent: Any, gamma: float) -> Callable[[jax.Array, Any, Any], Measurement]:
    """`(key, params, buffer) -> measurement`, at the same states for all seeds of all arms."""
    long = envs.time_limit(envs.gymnax(CARTPOLE), 10_000)
    env = envs.vectorize(long, NUM_STATES)
    policy = episodes.random_if(
        DRAWS["uniform"], lambda key, params, obs: probes.balance(params, obs), 0.3
    )

    def measure(key: jax.Array, params: Any, buffer: Any) -> Measurement:
        states: States = probes.fixed_states(jax.random.key(0), env, policy, 200)
        return probes.measure(key, params, buffer, states, env, agent, gamma, NUM_STEPS)

    return measure


def student_training(config: EpisodicConfig, plan: Plan, measured: bool) -> Training:
    """Training of the student's agent, or of an arm of it."""
    evaluate = default.mean_return(config.agent, plan.eval_episodes)
    repeat_envs = envs.vectorize(envs.gymnax(CARTPOLE), NUM_REPEATS)
    measure = make_measure(config.agent, config.gamma)
    num_kept = plan.episodes // POLICY_PERIOD
    stride = plan.measurement_period // POLICY_PERIOD if measured else num_kept

    def train(key: jax.Array) -> Results:
        train_key, measure_key, evaluation_key, repeat_key = jax.random.split(key, 4)

        def keep(state: episodes.State) -> tuple[Any, ...]:
            params = state.learner.params
            return params, measure(measure_key, params, state.buffer) if measured else None

        played, (params, measurements) = episodes.train(
            train_key, config, plan.episodes, POLICY_PERIOD, keep, plan.steps
        )
        at = jnp.arange(stride - 1, num_kept, stride)
        keys = evaluation_keys(evaluation_key, len(at))
        evaluated, measurement = jax.tree.map(lambda x: x[at], (params, measurements))
        eval_return = jax.lax.map(lambda x: evaluate(*x), (keys, evaluated))
        last = last_policies(played.episode_return)
        repeated = variance.repeat_episodes(
            repeat_key,
            jax.tree.map(lambda x: x[last], params),
            played.epsilon[last_episode(last)],
            repeat_envs,
            config.agent,
            config.draw,
        )
        env_steps = played.env_steps[last_episode(at)]
        return Results(env_steps, eval_return, measurement, repeated)

    return train


def last_episode(policy: jax.Array) -> jax.Array:
    """The last episode from which kept policy number `policy` has learnt; both count from 0."""
    return POLICY_PERIOD * (policy + 1) - 1


def evaluation_keys(key: jax.Array, num_evaluations: int) -> jax.Array:
    """`[P]`, one key per evaluation.

    The last key is the same for any P, so that arms end with the same evaluation episodes
    whether they are measured or not.
    """
    return jax.random.split(key, num_evaluations)[::-1]


def last_policies(episode_return: jax.Array) -> jax.Array:
    """`[NUM_POLICIES]`, indices of kept policies, spread evenly over the last fifth of the training.

    Episodes `[E]` whose return is NaN were not played, and their policies are left out.
    """
    trained = jnp.sum(jnp.isfinite(episode_return)) // POLICY_PERIOD
    part = 0.8 + 0.2 * (jnp.arange(NUM_POLICIES) + 1) / NUM_POLICIES
    return jnp.maximum(jnp.ceil(part * trained - 1e-3).astype(jnp.int32) - 1, 0)


def default_training(recipe: Recipe, plan: Plan, measured: bool) -> Training:
    """Training of the default agent, or of an arm of it."""
    trainer, agent = recipe.trainer(), recipe.agent()
    evaluate = default.mean_return(agent, plan.eval_episodes)
    measure = make_measure(agent, recipe.config.gamma)
    iterations = (plan.steps - trainer.learning_starts) // trainer.iteration_steps
    num_evaluations = plan.num_measurements if measured else 1
    first, each = iterations % num_evaluations, iterations // num_evaluations

    def train(key: jax.Array) -> Results:
        train_key, measure_key, evaluation_key = jax.random.split(key, 3)

        def advance(state: training.TrainState, key: jax.Array):
            state, _ = training.run(trainer, state, each)
            params = state.learner.params
            measurement = measure(measure_key, params, state.buffer) if measured else None
            eval_return = evaluate(key, params)
            return state, Results(state.env_steps, eval_return, measurement, repeated=None)

        start = trainer.init(train_key)
        if first:
            start, _ = training.run(trainer, start, first)
        return jax.lax.scan(advance, start, evaluation_keys(evaluation_key, num_evaluations))[1]

    return train


def long_training(
    config: EpisodicConfig, num_episodes: int, period: int, eval_episodes: int
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """A long training of the student's agent.

    Returns the mean training return `[P]` of each block of `period` episodes, and the mean
    evaluation return `[P]` after each block.
    """
    evaluate = default.mean_return(config.agent, eval_episodes)

    def train(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        train_key, evaluation_key = jax.random.split(key)
        played, params = episodes.train(train_key, config, num_episodes, period)
        means = jnp.mean(played.episode_return.reshape(-1, period), axis=1)
        keys = jax.random.split(evaluation_key, num_episodes // period)
        return means, jax.lax.map(lambda x: evaluate(*x), (keys, params))

    return train
