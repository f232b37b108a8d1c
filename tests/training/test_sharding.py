"""One agent on several devices learns what it would on one."""

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

AGENT = agents.dqn(networks.MLP(2, features=(8,)))
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


@pytest.fixture(autouse=True)
def _no_false_alarm():
    with jax.debug_key_reuse(False):
        yield


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


def test_an_update_on_four_devices_is_that_on_one_up_to_rounding():
    """Also where gradients are clipped by their norm: that of their mean, not of a part's."""
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
        """Of the rows `[B / 4]` of each part. Three updates, so that a wrong moment would show."""
        parts = learner._replace(opt_state=optimizer.init(learner.params))
        for _ in range(3):
            parts = update(parts, batch, optimizer)
        return parts.params

    shard = jax.shard_map(
        on_four,
        mesh=layout.mesh,
        in_specs=jax.sharding.PartitionSpec(DATA),
        out_specs=jax.sharding.PartitionSpec(),
        check_vma=False,
    )
    found, alone = jax.jit(shard)(whole), learner
    for _ in range(3):
        alone = update(alone, whole, CLIPPED_ADAM)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(alone.params), strict=True)
    for x, y in pairs:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def trainer(data_shards):
    part = sharding.shard(CONFIG, data_shards)
    memory = replay.uniform(part.buffer_size, part.batch_size)
    optimizer = optax.chain(sharding.mean_gradients(), CLIPPED_ADAM)
    one = training.dqn(
        part, chain(part.num_envs, time_limit=3), AGENT, memory, optimizer, lambda steps: 0.5
    )
    return sharding.combine(one, data_shards)


@pytest.fixture(scope="module")
def two_members_on_four_devices():
    layout = population.layout(2, jax.devices()[:4], data_shards=2)
    agent = trainer(2)

    def whole(key):
        state, metrics = training.run(agent, agent.init(key), 10)
        return state, metrics

    with jax.debug_key_reuse(False):
        program = population.each(whole, layout, out_specs=(PER_SHARD, PER_MEMBER))
        return jax.jit(program)(population.keys([3, 4]))


def test_all_parts_of_a_member_have_its_parameters(two_members_on_four_devices):
    state, _ = two_members_on_four_devices
    part = [jax.tree.map(lambda x, k=k: x[k], state) for k in range(4)]
    assert equal(part[0].learner, part[1].learner) and equal(part[2].learner, part[3].learner)
    assert not equal(part[0].learner.params, part[2].learner.params)


def test_parts_see_different_worlds(two_members_on_four_devices):
    state, _ = two_members_on_four_devices
    actions = [
        replay.contents(jax.tree.map(lambda x, k=k: x[k], state.buffer)).action for k in (0, 1)
    ]
    assert np.mean(actions[0][:20] != actions[1][:20]) > 0.25


def test_metrics_count_all_parts(two_members_on_four_devices):
    state, metrics = two_members_on_four_devices
    # 10 iterations of 8 worlds * 2 steps after a warm-up of 80; 3 updates each.
    np.testing.assert_array_equal(metrics.env_steps[0], 80 + 16 * np.arange(1, 11))
    np.testing.assert_array_equal(metrics.num_updates[0], 3 * np.arange(1, 11))
    ended = 0
    for k in (0, 1):
        contents = replay.contents(jax.tree.map(lambda x, k=k: x[k], state.buffer))
        # 4 worlds a part: 10 rows of warm-up, then two an iteration.
        ended += np.sum(np.asarray(contents.done)[10:30])
    assert np.sum(metrics.num_episodes[0]) == ended > 0


def test_shares_that_do_not_divide_are_refused():
    with pytest.raises(
        ConfigError, match=r"batch_size \(32\) must be a multiple of data_shards \(3\)"
    ):
        sharding.shard(Config(num_envs=9, batch_size=32), 3)
    assert sharding.shard(CONFIG, 4) == Config(
        **CONFIG.__dict__
        | {"num_envs": 2, "batch_size": 8, "buffer_size": 200, "learning_starts": 20}
    )
