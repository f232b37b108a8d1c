"""Training of PQN on the chain: learned values, counters and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import LENGTH, TABLE, chain, table_agent, transition

from jaxdqn import agents, distributions, networks, training
from jaxdqn.config import ConfigError
from jaxdqn.training.pqn import PQNLearner, lambda_targets, update
from jaxdqn.transition import Transition

pytestmark = pytest.mark.usefixtures("allow_key_reuse")

AGENT = agents.dqn(networks.QNetwork(networks.mlp(()), 2))


def make_trainer(num_minibatches=4, agent=AGENT, **options):
    schedule = optax.linear_schedule(0.03, 0.0, 2_400)
    return training.pqn(
        chain(num_envs=4, time_limit=3),
        agent,
        optax.adam(schedule),
        lambda env_steps: 1.0,
        num_steps=16,
        num_epochs=2,
        num_minibatches=num_minibatches,
        gamma=0.9,
        **options,
    )


def test_learns_the_exact_values_with_a_short_time_limit():
    """q(s, right) = γ^(4 - s), and left leads one state back; λ = 0 because the policy is random."""
    trainer = make_trainer(lambda_=0.0)
    train = jax.jit(lambda key: training.run(trainer, trainer.init(key), 300))
    state, metrics = train(jax.random.key(0))
    q = AGENT.q_values(trainer.params(state), jnp.eye(LENGTH))
    value = 0.9 ** np.arange(LENGTH - 1, -1, -1)
    expected = np.stack([0.9 * value[[0, 0, 1, 2, 3]], value], -1)
    np.testing.assert_allclose(q, expected, atol=0.03)
    # 300 iterations of 4 environments * 16 steps and 2 epochs of 4 minibatches.
    assert int(metrics.env_steps[-1]) == 300 * 64 and int(metrics.num_updates[-1]) == 300 * 8


def test_an_update_moves_the_taken_actions_towards_their_targets():
    """On a table: action values 2 and 3, targets 4 and 2; step size 0.1 of the mean loss."""
    agent = table_agent()
    optimizer = optax.sgd(0.1)
    learner = PQNLearner(TABLE, optimizer.init(TABLE), jnp.int32(7))
    batch = jax.tree.map(
        lambda x, y: jnp.concatenate([x, y]), transition(0, 1), transition(1, 0, reward=50.0)
    )
    target = jnp.array([4.0, 2.0])
    learner, info = update(jax.random.key(0), learner, batch, target, agent, optimizer)
    np.testing.assert_allclose(info.td_error, [2.0, -1.0])
    np.testing.assert_allclose(info.loss, (2.0**2 + 1.0**2) / 2 / 2)
    np.testing.assert_allclose(learner.params, [[1.0, 2.0 + 0.1], [3.0 - 0.05, 5.0]], rtol=1e-6)
    assert int(learner.num_updates) == 8


@pytest.mark.parametrize("lambda_", [0.0, 0.65, 1.0])
def test_targets_are_the_lambda_returns_of_the_rollout(lambda_):
    """The forward view: a weighted mean of the n-step returns of each episode, for images."""
    rng = np.random.default_rng(0)
    images = rng.random((7, 2, 4, 4, 1)).astype(np.float32)
    reward = rng.normal(size=(7, 2)).astype(np.float32)
    done = np.zeros((7, 2), bool)
    done[2, 0] = done[4, 1] = True
    discount = np.full((7, 2), 0.9, np.float32)
    discount[2, 0] = 0.0  # A termination; the other is a truncation.
    batch = Transition(*map(jnp.array, (images, 0 * done, reward, discount, done, images[::-1])))
    agent = agents.dqn(networks.QNetwork(networks.conv((2,), (4,)), 3))
    params = agent.init(jax.random.key(0), batch.obs)
    value = np.asarray(agent.q_values(params, batch.next_obs), np.float64).max(-1)

    def forward(t, env):
        total, weight, steps, factor = 0.0, 1.0, 0.0, 1.0
        for k in range(t, 7):
            steps += factor * reward[k, env]
            factor *= discount[k, env]
            last = done[k, env] or k == 6
            total += weight * (1.0 if last else 1 - lambda_) * (steps + factor * value[k, env])
            weight *= lambda_
            if last:
                return total

    expected = [[forward(t, env) for env in range(2)] for t in range(7)]
    found = lambda_targets(params, batch, agent, lambda_)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_it_learns_with_the_loss_of_the_agent():
    """HL-Gauss instead of the squared error: the same values, by classification."""
    support = distributions.support(0.0, 1.5, 31)
    agent = agents.hl_gauss(networks.QNetwork(networks.mlp(()), 2, num_atoms=31), support, 0.05)
    trainer = make_trainer(lambda_=0.0, agent=agent)
    train = jax.jit(lambda key: training.run(trainer, trainer.init(key), 300))
    q = agent.q_values(trainer.params(train(jax.random.key(0))[0]), jnp.eye(LENGTH))
    np.testing.assert_allclose(q[:, 1], 0.9 ** np.arange(LENGTH - 1, -1, -1), atol=0.05)


def test_agents_without_scalar_targets_are_refused():
    support = distributions.support(0.0, 1.0, 5)
    agent = agents.c51(networks.QNetwork(networks.mlp(()), 2, num_atoms=5), support)
    with pytest.raises(ValueError, match=r"agent.target \(\(4, 5\)\) must have shape \[B\]"):
        jax.eval_shape(make_trainer(agent=agent).init, jax.random.key(0))
    with pytest.raises(ValueError, match="must have shape"):
        jax.eval_shape(make_trainer(agent=agents.noisy(AGENT)).init, jax.random.key(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_": 1.5}, r"td_lambda \(1.5\) must lie in \[0, 1\]"),
        ({"num_minibatches": 5}, r"num_minibatches \(5\) must divide num_steps \* num_envs \(64\)"),
    ],
)
def test_invalid_hyperparameters_raise_config_errors(options, message):
    with pytest.raises(ConfigError, match=message):
        make_trainer(**options)
