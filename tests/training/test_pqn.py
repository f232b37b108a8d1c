"""Training of PQN on the chain: learned values, counters and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.envs import LENGTH, chain

from jaxdqn import agents, networks, training
from jaxdqn.config import ConfigError

pytestmark = pytest.mark.usefixtures("allow_key_reuse")

AGENT = agents.dqn(networks.QNetwork(networks.mlp(()), 2))


def make_trainer(num_minibatches=4, **options):
    schedule = optax.linear_schedule(0.03, 0.0, 2_400)
    return training.pqn(
        chain(num_envs=4, time_limit=3),
        AGENT,
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
