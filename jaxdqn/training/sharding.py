"""Data parallelism: one agent on several devices, each with its own environments, replay and batch.

The functions run under the axis `data` of `population.each`, once per shard; gradients are averaged.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from jaxdqn.config import Config, ConfigError
from jaxdqn.training.dqn import TrainState
from jaxdqn.training.population import DATA
from jaxdqn.training.trainer import Metrics, Trainer


def shard(config: Config, data_shards: int) -> Config:
    """The config of one of `data_shards` shards, with its fraction of environments, batch, replay and random steps.

    Raises `ConfigError` unless `data_shards` divides all of them.
    """
    divided = {}
    for name in ("num_envs", "batch_size", "buffer_size", "learning_starts"):
        value = getattr(config, name)
        if value % data_shards:
            raise ConfigError(name, value, f"must be a multiple of data_shards ({data_shards}).")
        divided[name] = value // data_shards
    return dataclasses.replace(config, **divided)


def mean_gradients() -> optax.GradientTransformation:
    """`g <- mean of g over the shards`, the gradient of the whole batch. Put it first in an `optax.chain`."""
    return optax.stateless(lambda grads, params: jax.lax.pmean(grads, DATA))


def max_weight(weight: jax.Array) -> jax.Array:
    """The largest importance weight `[]` of the whole batch, of which each shard holds a part `[B / D]`."""
    return jax.lax.pmax(jnp.max(weight), DATA)


def combine(trainer: Trainer, data_shards: int) -> Trainer:
    """The trainer of one agent from `trainer`, a `training.dqn` of a `shard` with `mean_gradients`.

    All shards start from the parameters of the first; each collects and samples with its own
    keys. Metrics cover all shards; `grad_norm` is the mean of the norms of their gradients, at least
    that of the mean gradient, which is clipped.
    """

    def init(key: jax.Array) -> TrainState:
        state = trainer.init(jax.random.fold_in(key, jax.lax.axis_index(DATA)))
        learner = jax.tree.map(lambda x: jax.lax.all_gather(x, DATA)[0], state.learner)
        return state._replace(learner=learner)

    def step(state: TrainState) -> tuple[TrainState, Metrics]:
        state, metrics = trainer.step(state)
        means = ("loss", "td_error", "grad_norm", "extra")
        return state, metrics._replace(
            env_steps=metrics.env_steps * data_shards,
            episodes=jax.tree.map(
                lambda x: jax.lax.all_gather(x, DATA, axis=1, tiled=True), metrics.episodes
            ),
            **{name: jax.lax.pmean(getattr(metrics, name), DATA) for name in means},
        )

    return trainer._replace(
        init=init,
        step=step,
        value=lambda state: jax.lax.pmean(trainer.value(state), DATA),
        learning_starts=trainer.learning_starts * data_shards,
        iteration_steps=trainer.iteration_steps * data_shards,
    )
