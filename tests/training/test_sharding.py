"""Data parallelism: one agent on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import LENGTH, chain
from helpers.training import GAMMA, equal

from jaxdqn import agents, networks, replay, training
from jaxdqn.config import Config, ConfigError
from jaxdqn.replay import Sample
from jaxdqn.training import learning, population, sharding
from jaxdqn.training.population import DATA, PER_MEMBER, PER_SHARD
from jaxdqn.transition import Transition

pytestmark = pytest.mark.usefixtures("allow_key_reuse")

AGENT = agents.dqn(networks.QNetwork(networks.mlp((8,)), 2))
CLIPPED_ADAM = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.02))
CONFIG = Config(
    num_envs=8,
    num_steps=2,
    num_updates=3,
    batch_size=32,
    buffer_size=800,
    learning_starts=80,
    n_step=1,
    gamma=GAMMA,
    target_period=2,
)


def batch(key, size):
    keys = jax.random.split(key, 4)
    return Transition(
        obs=jax.random.normal(keys[0], (size, LENGTH)),
        action=jax.random.randint(keys[1], (size,), 0, 2),
        reward=jax.random.normal(keys[2], (size,)),
        discount=jnp.full(size, GAMMA),
        done=jnp.zeros(size, bool),
        next_obs=jax.random.normal(keys[3], (size, LENGTH)),
    )


def test_updates_on_four_devices_equal_those_on_one_up_to_rounding():
    """The clipped norm must be that of the mean gradient, not of the gradient of a shard."""
    whole = batch(jax.random.key(1), 32)
    learner = learning.init(jax.random.key(0), whole.obs, AGENT, CLIPPED_ADAM)
    update_target = learning.target_update(2)

    def update(learner, batch, optimizer):
        sample = Sample(batch, jnp.ones(batch.reward.shape), ())
        key = jax.random.key(2)
        return learning.update(key, learner, sample, AGENT, optimizer, update_target)[0]

    layout = population.layout(1, jax.devices()[:4], data_shards=4)
    optimizer = optax.chain(sharding.mean_gradients(), CLIPPED_ADAM)

    def on_four(batch):
        """Three updates from `batch [B / 4]` of a shard; several, to cover the moments of Adam."""
        sharded = learner._replace(opt_state=optimizer.init(learner.params))
        for _ in range(3):
            sharded = update(sharded, batch, optimizer)
        return sharded.params

    program = jax.shard_map(
        on_four,
        mesh=layout.mesh,
        in_specs=jax.sharding.PartitionSpec(DATA),
        out_specs=jax.sharding.PartitionSpec(),
        check_vma=False,
    )
    found, alone = jax.jit(program)(whole), learner
    for _ in range(3):
        alone = update(alone, whole, CLIPPED_ADAM)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(alone.params), strict=True)
    for x, y in pairs:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def make_trainer(data_shards):
    config = sharding.shard(CONFIG, data_shards)
    memory = replay.uniform(config.buffer_size, config.batch_size)
    optimizer = optax.chain(sharding.mean_gradients(), CLIPPED_ADAM)
    trainer = training.dqn(
        chain(config.num_envs, time_limit=3),
        AGENT,
        memory,
        optimizer,
        lambda steps: 0.5,
        num_steps=config.num_steps,
        num_updates=config.num_updates,
        learning_starts=config.learning_starts,
        gamma=config.gamma,
        target_period=config.target_period,
    )
    return sharding.combine(trainer, data_shards)


@pytest.fixture(scope="module")
def two_agents_on_four_devices():
    layout = population.layout(2, jax.devices()[:4], data_shards=2)
    trainer = make_trainer(2)

    def train(key):
        return training.run(trainer, trainer.init(key), 10)

    program = population.each(train, layout, out_specs=(PER_SHARD, PER_MEMBER))
    return jax.jit(program)(population.keys([3, 4]))


def test_shards_of_an_agent_have_equal_learners(two_agents_on_four_devices):
    state, _ = two_agents_on_four_devices
    shard = [jax.tree.map(lambda x, k=k: x[k], state) for k in range(4)]
    assert equal(shard[0].learner, shard[1].learner) and equal(shard[2].learner, shard[3].learner)
    assert not equal(shard[0].learner.params, shard[2].learner.params)


def test_shards_take_different_actions(two_agents_on_four_devices):
    state, _ = two_agents_on_four_devices
    actions = [
        replay.contents(jax.tree.map(lambda x, k=k: x[k], state.buffer)).action for k in (0, 1)
    ]
    assert np.mean(actions[0][:20] != actions[1][:20]) > 0.25


def test_metrics_cover_all_shards(two_agents_on_four_devices):
    state, metrics = two_agents_on_four_devices
    # 10 iterations of 8 environments * 2 steps after 80 random steps; 3 updates each.
    np.testing.assert_array_equal(metrics.env_steps[0], 80 + 16 * np.arange(1, 11))
    np.testing.assert_array_equal(metrics.num_updates[0], 3 * np.arange(1, 11))
    ended = 0
    for k in (0, 1):
        contents = replay.contents(jax.tree.map(lambda x, k=k: x[k], state.buffer))
        # 4 environments per shard: 10 rows of random steps, then two per iteration.
        ended += np.sum(np.asarray(contents.done)[10:30])
    assert np.sum(metrics.episodes.lengths[0] > 0) == ended > 0


def test_data_shards_must_divide_the_config():
    with pytest.raises(
        ConfigError, match=r"batch_size \(32\) must be a multiple of data_shards \(3\)"
    ):
        sharding.shard(Config(num_envs=9, batch_size=32), 3)
    assert sharding.shard(CONFIG, 4) == Config(
        **CONFIG.__dict__
        | {"num_envs": 2, "batch_size": 8, "buffer_size": 200, "learning_starts": 20}
    )
