"""One update: on a table by hand, and of a network against the same update in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import TABLE, table_agent, transition

from jaxdqn import agents, networks, targets
from jaxdqn.replay import Sample
from jaxdqn.training import learning
from jaxdqn.transition import Transition

NEVER = learning.target_update(period=1_000)


def sample(batch, weight=None):
    size = batch.reward.shape[0]
    return Sample(batch, jnp.ones(size) if weight is None else jnp.array(weight), ())


def update(batch, agent=None, update_target=NEVER, weight=None, target_params=TABLE):
    agent = agent or table_agent()
    optimizer = optax.sgd(0.1)
    learner = learning.init(jax.random.key(0), batch.obs, agent, optimizer)
    learner = learner._replace(target_params=target_params)
    return learning.update(
        jax.random.key(1), learner, sample(batch, weight), agent, optimizer, update_target
    )


def test_moves_the_taken_action_towards_the_target():
    learner, info = update(transition(0, 1, reward=1.0, discount=0.5, next_obs=1))
    # Target 1 + 0.5 * max(3, 5) = 3.5; error 3.5 - 2 = 1.5; loss 1.5^2 / 2; step 0.1 * 1.5.
    np.testing.assert_allclose(info.td_error, [1.5])
    np.testing.assert_allclose(info.loss, 1.125)
    np.testing.assert_allclose(learner.params, [[1.0, 2.15], [3.0, 5.0]], rtol=1e-6)


def test_a_terminal_state_has_value_zero():
    _, info = update(transition(0, 1, reward=1.0, discount=0.0, next_obs=1))
    np.testing.assert_allclose(info.td_error, [1.0 - 2.0])


def test_the_target_comes_from_the_target_parameters():
    other = jnp.array([[0.0, 0.0], [10.0, 20.0]])
    _, info = update(transition(0, 0, discount=0.5, next_obs=1), target_params=other)
    np.testing.assert_allclose(info.td_error, [0.5 * 20.0 - 1.0])


def test_double_q_evaluates_with_the_target_parameters():
    other = jnp.array([[0.0, 0.0], [20.0, 10.0]])
    agent = table_agent(bootstrap=targets.double_q)
    _, info = update(transition(0, 0, discount=0.5, next_obs=1), agent, target_params=other)
    # Online prefers action 1 in state 1; the target table values it at 10.
    np.testing.assert_allclose(info.td_error, [0.5 * 10.0 - 1.0])


def test_no_gradient_flows_through_the_target():
    # The state is its own successor, evaluated with the online parameters: a gradient through
    # the target would halve the step.
    agent = table_agent(bootstrap=lambda q_target, q_online: jnp.max(q_online, axis=-1))
    learner, _ = update(transition(1, 1, discount=0.5, next_obs=1), agent)
    # Error 2.5 - 5 = -2.5, step 0.1 * -2.5.
    np.testing.assert_allclose(learner.params, [[1.0, 2.0], [3.0, 4.75]])


def test_huber_clips_the_gradient_to_one():
    agent = table_agent(error_loss=optax.huber_loss)
    learner, info = update(transition(0, 1, reward=9.0, discount=0.0), agent)
    # Error 7: loss 7 - 1/2, gradient 1 instead of 7.
    np.testing.assert_allclose(info.loss, 6.5)
    np.testing.assert_allclose(learner.params[0, 1], 2.1, rtol=1e-6)


def test_weights_scale_each_loss():
    batch = jax.tree.map(
        lambda x, y: jnp.concatenate([x, y]),
        transition(0, 0, reward=3.0, discount=0.0),
        transition(1, 0, reward=7.0, discount=0.0),
    )
    learner, info = update(batch, weight=[1.0, 0.5])
    # Errors 2 and 4, losses 2 and 8, weighted mean (2 + 4) / 2; steps 0.1 / 2 * (2, 0.5 * 4).
    np.testing.assert_allclose(info.loss, 3.0)
    np.testing.assert_allclose(learner.params, [[1.1, 2.0], [3.1, 5.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("period", "tau", "expected"),
    # The online parameter is 1, 2, 3, 4 after the updates; both start at 0.
    [(1, 1.0, [1, 2, 3, 4]), (2, 1.0, [0, 2, 2, 4]), (1, 0.5, [0.5, 1.25, 2.125, 3.0625])],
    ids=["copy each update", "copy every second update", "average"],
)
def test_target_updates(period, tau, expected):
    update_target = learning.target_update(period, tau)
    target, seen = jnp.float32(0), []
    for count in range(1, 5):
        target = update_target(jnp.float32(count), target, jnp.int32(count))
        seen.append(float(target))
    np.testing.assert_allclose(seen, expected)


def test_updates_are_counted_and_the_target_is_a_separate_copy():
    agent, optimizer = table_agent(), optax.sgd(0.1)
    learner = learning.init(jax.random.key(0), jnp.array([0]), agent, optimizer)
    assert learner.target_params.unsafe_buffer_pointer() != learner.params.unsafe_buffer_pointer()
    learner, _ = update(transition(0, 0))
    assert int(learner.num_updates) == 1


def by_hand(params, target_params, batch, max_norm):
    """A whole update of a 3-5-2 network, forward and backward, in NumPy and float64."""
    torso, head = params["params"]["torso"]["Dense_0"], params["params"]["Dense_0"]
    target_torso, target_head = (
        target_params["params"]["torso"]["Dense_0"],
        target_params["params"]["Dense_0"],
    )
    scale = np.array([0.5, 2.0, 1.0])
    x, next_x = batch.obs * scale, batch.next_obs * scale
    hidden = np.maximum(x @ torso["kernel"] + torso["bias"], 0)
    q = hidden @ head["kernel"] + head["bias"]
    next_hidden = np.maximum(next_x @ target_torso["kernel"] + target_torso["bias"], 0)
    next_q = next_hidden @ target_head["kernel"] + target_head["bias"]
    rows = np.arange(len(x))
    td_error = batch.reward + batch.discount * next_q.max(1) - q[rows, batch.action]
    slope = np.zeros_like(q)
    slope[rows, batch.action] = -td_error / len(x)
    back = slope @ head["kernel"].T * (hidden > 0)
    grads = {
        "torso": {"kernel": x.T @ back, "bias": back.sum(0)},
        "head": {"kernel": hidden.T @ slope, "bias": slope.sum(0)},
    }
    norm = np.sqrt(sum(np.sum(g**2) for layer in grads.values() for g in layer.values()))
    clip = min(1.0, max_norm / norm)
    step = {k: {n: -0.1 * clip * g for n, g in layer.items()} for k, layer in grads.items()}
    return td_error, step, norm


@pytest.mark.parametrize("max_norm", [1e3, 0.01], ids=["not clipped", "clipped"])
def test_an_update_of_a_network_equals_numpy(max_norm):
    rng = np.random.default_rng(0)
    batch = Transition(
        obs=rng.normal(size=(6, 3)),
        action=rng.integers(0, 2, 6),
        reward=rng.normal(size=6),
        discount=rng.choice([0.0, 0.9], 6),
        done=np.zeros(6, bool),
        next_obs=rng.normal(size=(6, 3)),
    )
    agent = agents.dqn(networks.QNetwork(networks.mlp((5,), obs_scale=(0.5, 2.0, 1.0)), 2))
    optimizer = optax.chain(optax.clip_by_global_norm(max_norm), optax.sgd(0.1))
    batch32 = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32 if x.dtype == float else None), batch
    )
    learner = learning.init(jax.random.key(0), batch32.obs, agent, optimizer)
    learner = learner._replace(target_params=agent.init(jax.random.key(1), batch32.obs))
    one_update = jax.jit(
        partial(learning.update, agent=agent, optimizer=optimizer, update_target=NEVER)
    )
    after, info = one_update(jax.random.key(2), learner, sample(batch32))
    old, target = jax.device_get((learner.params, learner.target_params))
    td_error, step, norm = by_hand(old, target, batch, max_norm)
    assert (norm > max_norm) == (max_norm < 1)
    np.testing.assert_allclose(info.td_error, td_error, rtol=1e-4, atol=1e-5)
    new = after.params["params"]
    for found, expected, layer in (
        (new["torso"]["Dense_0"], step["torso"], old["params"]["torso"]["Dense_0"]),
        (new["Dense_0"], step["head"], old["params"]["Dense_0"]),
    ):
        for name in ("kernel", "bias"):
            np.testing.assert_allclose(
                found[name] - layer[name], expected[name], rtol=2e-3, atol=1e-6
            )
