"""How does one agent use several devices? Each has worlds, replay and batch of its own; gradients meet.

Everything here runs under the axis `data` of `population.each`, one call a part.
"""

import dataclasses

import jax
import optax

from jaxdqn.config import Config, ConfigError
from jaxdqn.population import DATA
from jaxdqn.training import Metrics, Trainer, TrainState


def part(config: Config, data_shards: int) -> Config:
    """The numbers of one of `data_shards` parts: its share of worlds, batch, replay and warm-up."""
    shares = {}
    for name in ("num_envs", "batch_size", "capacity", "warmup_steps"):
        value = getattr(config, name)
        if value % data_shards:
            raise ConfigError(name, value, f"must be a multiple of data_shards ({data_shards}).")
        shares[name] = value // data_shards
    return dataclasses.replace(config, **shares)


def mean_gradients() -> optax.GradientTransformation:
    """`g <- mean over the parts of g`: of equal parts, the gradient of the whole batch. First in a chain."""
    return optax.stateless(lambda grads, params: jax.lax.pmean(grads, DATA))


def whole(trainer: Trainer, data_shards: int) -> Trainer:
    """The agent whose parts `trainer` trains: a `training.dqn` of `part`s with `mean_gradients`.

    All parts start from the parameters of the first; each collects and draws by
    keys of its own. Metrics are those of all parts together.
    """

    def init(key: jax.Array) -> TrainState:
        state = trainer.init(jax.random.fold_in(key, jax.lax.axis_index(DATA)))
        learner = jax.tree.map(lambda x: jax.lax.all_gather(x, DATA)[0], state.learner)
        return state._replace(learner=learner)

    def step(state: TrainState) -> tuple[TrainState, Metrics]:
        state, metrics = trainer.step(state)
        return state, metrics._replace(
            world_steps=metrics.world_steps * data_shards,
            loss=jax.lax.pmean(metrics.loss, DATA),
            num_episodes=jax.lax.psum(metrics.num_episodes, DATA),
            return_sum=jax.lax.psum(metrics.return_sum, DATA),
        )

    return trainer._replace(
        init=init,
        step=step,
        warmup_steps=trainer.warmup_steps * data_shards,
        iteration_steps=trainer.iteration_steps * data_shards,
    )
