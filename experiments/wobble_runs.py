"""How is an arm of the study trained, and what is seen of it? One member of a population, his or ours.

A member is a function of a key. It returns looks `[P]` with the greedy play of the network at
each; the last look is the end. A member that is `looked` into has many of them, with
`probes.Look` at each; another has one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments import cartpole, default_recipe, episodes, probes, variance
from experiments.default_recipe import Recipe
from experiments.episodes import DRAWS, Choices
from experiments.members import ENV
from experiments.probes import Look, States
from jaxdqn import envs, training

Member = Callable[[jax.Array], "Seen"]

POLICY_PERIOD = 2
"""Episodes between two policies of the student that are kept, of which some are played again."""
POLICIES, AGAIN = 10, 20
"""So many of the last fifth, so often each, with exploration: P and K of `variance.split`."""
STATES, PLAYED_FOR = 64, 750
"""Fixed states, and steps of play from each: of γ 0.996 the rest is 5 % of a return, of γ 0.9 nothing."""


class Plan(NamedTuple):
    """How much is done for a seed."""

    steps: int = 30_000
    """World steps; of the student too, unless his episodes end first."""
    episodes: int = 500
    """The student's."""
    looks: int = 25
    """Looks at ours, if it is looked into; what does not divide is trained before the first."""
    look_period: int = 10
    """Episodes between two looks at the student; a multiple of `POLICY_PERIOD`."""
    eval_episodes: int = 100


class Seen(NamedTuple):
    """What is known of one member."""

    world_steps: jax.Array
    """`[P]` int32."""
    greedy_return: jax.Array
    """`[P]`, mean of an evaluation."""
    look: Look | None
    """`[P]`."""
    again: jax.Array | None
    """`[POLICIES, AGAIN]`, returns of the student's last policies, each with its exploration."""


def looker(agent: Any, gamma: float) -> Callable[[jax.Array, Any, Any], Look]:
    """`(key, params, buffer) -> Look`, at the same states for all seeds of all arms."""
    world = envs.from_gymnax(ENV, STATES, max_steps_in_episode=10_000)
    near = episodes.random_if(
        DRAWS["uniform"], lambda key, params, obs: probes.balance(params, obs), 0.3
    )

    def look(key: jax.Array, params: Any, buffer: Any) -> Look:
        states: States = probes.fixed_states(jax.random.key(0), world, near, 200)
        return probes.look(key, params, buffer, states, world, agent, gamma, PLAYED_FOR)

    return look


def student_member(choices: Choices, plan: Plan, looked: bool) -> Member:
    """The student's training, or an arm of it."""
    evaluate = cartpole.make_evaluate(choices.agent, plan.eval_episodes)
    worlds = envs.from_gymnax(ENV, AGAIN)
    look = looker(choices.agent, choices.gamma)
    num_policies = plan.episodes // POLICY_PERIOD
    stride = plan.look_period // POLICY_PERIOD if looked else num_policies

    def member(key: jax.Array) -> Seen:
        train_key, look_key, evaluation_key, again_key = jax.random.split(key, 4)

        def see(state: episodes.State) -> tuple[Any, ...]:
            params = state.learner.params
            return params, look(look_key, params, state.buffer) if looked else None

        played, (params, looks) = episodes.train(
            train_key, choices, plan.episodes, POLICY_PERIOD, see, plan.steps
        )
        at = jnp.arange(stride - 1, num_policies, stride)
        keys = evaluation_keys(evaluation_key, len(at))
        seen = jax.tree.map(lambda x: x[at], (params, looks))
        greedy_return = jax.lax.map(lambda x: jnp.mean(evaluate(*x)), (keys, seen[0]))
        last = last_policies(played.episode_return)
        again = variance.play_again(
            again_key,
            jax.tree.map(lambda x: x[last], params),
            played.epsilon[last_episode(last)],
            worlds,
            choices.agent,
            choices.draw,
        )
        world_steps = played.world_steps[last_episode(at)]
        return Seen(world_steps, greedy_return, seen[1], again)

    return member


def last_episode(policy: jax.Array) -> jax.Array:
    """The last episode that the kept policy of this number has learnt from, both from 0."""
    return POLICY_PERIOD * (policy + 1) - 1


def evaluation_keys(key: jax.Array, num_looks: int) -> jax.Array:
    """`[P]`, a key a look; the last is the same for any P: arms end with the same episodes, looked into or not."""
    return jax.random.split(key, num_looks)[::-1]


def last_policies(episode_return: jax.Array) -> jax.Array:
    """`[POLICIES]`, which of the policies kept spread evenly over the last fifth of those trained.

    An episode `[E]` that was not begun, its return not a number, trained none.
    """
    trained = jnp.sum(jnp.isfinite(episode_return)) // POLICY_PERIOD
    part = 0.8 + 0.2 * (jnp.arange(POLICIES) + 1) / POLICIES
    return jnp.maximum(jnp.ceil(part * trained - 1e-3).astype(jnp.int32) - 1, 0)


def default_member(recipe: Recipe, plan: Plan, looked: bool) -> Member:
    """Our training, or an arm of it."""
    trainer = default_recipe.make_trainer(recipe)
    evaluate = cartpole.make_evaluate(recipe.agent, plan.eval_episodes)
    look = looker(recipe.agent, recipe.config.gamma)
    iterations = (plan.steps - trainer.warmup_steps) // trainer.iteration_steps
    num_looks = plan.looks if looked else 1
    first, each = iterations % num_looks, iterations // num_looks

    def member(key: jax.Array) -> Seen:
        train_key, look_key, evaluation_key = jax.random.split(key, 3)

        def advance(state: training.TrainState, key: jax.Array):
            state, _ = training.run(trainer, state, each)
            params = state.learner.params
            looks = look(look_key, params, state.buffer) if looked else None
            seen = state.world_steps, jnp.mean(evaluate(key, params)), looks
            return state, Seen(*seen, again=None)

        start = trainer.init(train_key)
        if first:
            start, _ = training.run(trainer, start, first)
        return jax.lax.scan(advance, start, evaluation_keys(evaluation_key, num_looks))[1]

    return member


def long_member(choices: Choices, num_episodes: int, period: int, eval_episodes: int) -> Any:
    """The student's training for very long: means `[P]` of `period` episodes each, and greedy play after them."""
    evaluate = cartpole.make_evaluate(choices.agent, eval_episodes)

    def member(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        train_key, evaluation_key = jax.random.split(key)
        played, params = episodes.train(train_key, choices, num_episodes, period)
        means = jnp.mean(played.episode_return.reshape(-1, period), axis=1)
        keys = jax.random.split(evaluation_key, num_episodes // period)
        return means, jax.lax.map(lambda x: jnp.mean(evaluate(*x)), (keys, params))

    return member
