"""Training of DQN on the chain: counters, learned values, random keys and the compiled program."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import LENGTH, chain
from helpers.training import (
    GAMMA,
    ROWS,
    TRAINER,
    chain_trainer,
    equal,
    image_recipe,
    ring_sized_work,
)

from jaxdqn import agents, networks, replay, training
from jaxdqn.config import ConfigError
from jaxdqn.replay.uniform import sample

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


@pytest.fixture(scope="module")
def run():
    """`TRAINER` for 30 iterations, compiled once."""
    return jax.jit(partial(training.run, TRAINER, num_iterations=30))


def test_init_fills_the_replay_with_learning_starts_transitions():
    state = jax.jit(TRAINER.init)(jax.random.key(0))
    assert int(state.buffer.filled_rows) == 80 / 4
    assert int(state.env_steps) == 80


def test_counters_count_env_steps_and_updates(run):
    state, metrics = run(jax.jit(TRAINER.init)(jax.random.key(0)))
    # 30 iterations of 4 environments * 2 steps and 2 updates, after 80 random steps.
    assert int(state.env_steps) == 80 + 30 * 8 and int(state.learner.num_updates) == 60
    np.testing.assert_array_equal(metrics.env_steps, 80 + 8 * np.arange(1, 31))


def test_metrics_agree_with_the_transitions_in_the_replay(run):
    state, metrics = run(jax.jit(TRAINER.init)(jax.random.key(0)))
    new = jax.tree.map(lambda ring: ring[20:80], replay.contents(state.buffer))
    ended = metrics.episodes.lengths.reshape(60, 4) > 0
    np.testing.assert_array_equal(ended, new.done)
    # Only the last step of an episode is rewarded, so the returns contain all rewards.
    assert np.sum(metrics.episodes.returns.reshape(60, 4)[ended]) == np.sum(new.reward)


def test_the_value_is_the_mean_of_the_best_action_values(run):
    state, _ = run(jax.jit(TRAINER.init)(jax.random.key(0)))
    q = networks.QNetwork(networks.mlp(()), 2).apply(state.learner.params, state.actor.obs)
    np.testing.assert_allclose(TRAINER.value(state), np.max(q, axis=1).mean(), rtol=1e-6)


def test_two_runs_of_15_iterations_equal_one_of_30(run):
    half = jax.jit(partial(training.run, TRAINER, num_iterations=15))
    start = jax.jit(TRAINER.init)(jax.random.key(0))
    middle, first = half(start)
    end, second = half(middle)
    whole, metrics = run(start)
    assert equal(end, whole)
    assert equal(jax.tree.map(lambda x, y: jnp.concatenate([x, y]), first, second), metrics)


def test_seeds_give_different_runs(run):
    states = [run(jax.jit(TRAINER.init)(jax.random.key(seed)))[0] for seed in (0, 1)]
    assert not equal(states[0].learner.params, states[1].learner.params)
    first, second = (replay.contents(state.buffer).action for state in states)
    assert not equal(first, second)


def test_exploration_differs_between_iterations():
    """If the key were not advanced, all iterations would take the same actions."""
    state = jax.jit(TRAINER.init)(jax.random.key(0))
    state, _ = jax.jit(partial(training.run, TRAINER, num_iterations=30))(state)
    actions = np.asarray(replay.contents(state.buffer).action[20:80]).reshape(30, -1)
    assert len(np.unique(actions, axis=0)) > 25


@pytest.mark.parametrize("time_limit", [3, 50])
def test_learns_the_exact_values_with_any_time_limit(time_limit):
    """q(s, right) = γ^(4 - s), and left leads one state back, independent of the time limit.

    If truncation were treated as termination, values with limit 3 would be too small.
    """
    trainer = chain_trainer(time_limit=time_limit)
    train = jax.jit(lambda key: training.run(trainer, trainer.init(key), 2_000)[0])
    params = train(jax.random.key(0)).learner.params
    q = networks.QNetwork(networks.mlp(()), 2).apply(params, jnp.eye(LENGTH))
    value = GAMMA ** np.arange(LENGTH - 1, -1, -1)
    left = GAMMA * value[[0, 0, 1, 2, 3]]
    np.testing.assert_allclose(q, np.stack([left, value], -1), atol=0.02)


def test_each_update_of_an_iteration_samples_its_own_batch():
    """If they shared a key, their batches would be equal."""
    seen = []

    def record(key, buffer):
        batch = sample(key, buffer, 32, 1)
        jax.debug.callback(lambda obs: seen.append(np.asarray(obs)), batch.obs)
        return replay.Sample(batch, jnp.ones(32), ())

    memory = replay.uniform(2_000, 32)._replace(sample=record)
    trainer = training.dqn(
        chain(4),
        agents.dqn(networks.QNetwork(networks.mlp(()), 2)),
        memory,
        optax.sgd(0.1),
        lambda env_steps: jnp.float32(1.0),
        num_updates=4,
        learning_starts=80,
    )
    jax.block_until_ready(jax.jit(lambda key: trainer.step(trainer.init(key)))(jax.random.key(0)))
    jax.effects_barrier()
    assert len(seen) == 4 and len({batch.tobytes() for batch in seen}) == 4


def test_floats_may_be_traced():
    """A sweep over γ and ε in one program equals separate training runs."""

    def final_loss(gamma, epsilon):
        trainer = chain_trainer(gamma=gamma, epsilon=epsilon)
        return training.run(trainer, trainer.init(jax.random.key(0)), 20)[1].loss[-1]

    gammas, epsilons = jnp.array([0.5, 0.9]), jnp.array([0.3, 1.0])
    swept = jax.jit(jax.vmap(final_loss))(gammas, epsilons)
    alone = [jax.jit(final_loss)(g, e) for g, e in zip(gammas, epsilons, strict=True)]
    np.testing.assert_allclose(swept, alone, rtol=1e-4)


AGENT = agents.dqn(networks.QNetwork(networks.mlp(()), 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, r"num_steps \(0\) must be at least 1"),
        ({"gamma": 1.5}, r"gamma \(1.5\) must lie in \[0, 1\]"),
        ({"gamma": np.float32(1.5)}, r"gamma \(1.5\) must lie in \[0, 1\]"),
        ({"tau": np.int64(2)}, r"tau \(2\) must lie in \(0, 1\]"),
        ({"tau": float("nan")}, r"tau \(nan\) must lie in \(0, 1\]"),
        ({"num_updates": float("nan")}, r"num_updates \(nan\) must be at least 1"),
        ({"tau": 0.0}, r"tau \(0.0\) must lie in \(0, 1\]"),
        ({"target_period": 0}, r"target_period \(0\) must be at least 1"),
    ],
)
def test_invalid_numbers_raise_config_errors(options, message):
    memory = replay.uniform(400, 8)
    with pytest.raises(ConfigError, match=message):
        training.dqn(chain(4), AGENT, memory, optax.sgd(0.1), lambda steps: 0.1, **options)


def test_learning_starts_and_buffer_size_are_rounded_up_to_a_multiple_of_num_envs():
    memory = replay.uniform(398, 8)
    trainer = training.dqn(
        chain(4), AGENT, memory, optax.sgd(0.1), lambda steps: 0.1, learning_starts=42
    )
    state = jax.jit(trainer.init)(jax.random.key(0))
    assert trainer.learning_starts == int(state.env_steps) == 44
    assert int(state.buffer.filled_rows) == 11 and state.buffer.words.shape[:2] == (100, 4)


def test_a_network_with_another_number_of_actions_raises_an_error():
    agent = agents.dqn(networks.QNetwork(networks.mlp(()), 3))
    trainer = training.dqn(
        chain(4), agent, replay.uniform(400, 8), optax.sgd(0.1), lambda steps: 0.1
    )
    with pytest.raises(ValueError, match=r"q_values \(\(4, 3\)\) must have shape .* \(4, 2\)"):
        trainer.init(jax.random.key(0))


@pytest.mark.parametrize("layout", ["alone", "vmap"])
@pytest.mark.parametrize(
    "trainer",
    [
        chain_trainer(buffer_size=4 * ROWS),
        chain_trainer(buffer_size=4 * ROWS, n_step=3),
        image_recipe(buffer_size=4 * ROWS).trainer(),
    ],
    ids=["chain", "chain n=3", "images"],
)
def test_the_compiled_loop_never_copies_the_replay(layout, trainer):
    program = partial(training.run, trainer, num_iterations=10)
    init, key = trainer.init, jax.random.key(0)
    if layout == "vmap":
        program, init, key = jax.vmap(program), jax.vmap(init), jax.random.split(key, 3)
    state = jax.eval_shape(init, key)
    compiled = jax.jit(program, donate_argnums=0).lower(state).compile()
    assert ring_sized_work(compiled, ROWS) == []


def test_a_copy_of_the_replay_is_detected():
    """The test above can fail: a buffer written in one branch of a batched `cond` is copied."""

    def write(ring, t):
        written = jax.lax.dynamic_update_index_in_dim(ring, ring[t] + 1, t, 0)
        return jax.lax.cond(t % 2 == 0, lambda: written, lambda: ring)

    def loop(ring, start):
        return jax.lax.fori_loop(0, 10, lambda i, ring: write(ring, start + i), ring)

    rings, starts = jnp.zeros((3, ROWS, 2)), jnp.arange(3)
    compiled = jax.jit(jax.vmap(loop), donate_argnums=0).lower(rings, starts).compile()
    assert ring_sized_work(compiled, ROWS)
