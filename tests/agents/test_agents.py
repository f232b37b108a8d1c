"""All agents: losses on images, gradients, and invalid hyperparameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import oracles
from helpers.envs import SUPPORT, TABLE, Table, table_agent, transition
from helpers.training import losses

from jaxdqn import agents, networks
from jaxdqn.config import ConfigError

IMAGES = np.random.default_rng(0).random((6, 5, 5, 2)) < 0.3
IMAGE_BATCH = transition(0, 1)._replace(
    obs=jnp.array(IMAGES),
    next_obs=jnp.array(IMAGES[::-1]),
    action=jnp.array([0, 1, 2, 0, 1, 2]),
    reward=jnp.array([0.5, -1.0, 0.0, 2.0, 1.0, 9.0]),
    discount=jnp.array([0.9, 0.9, 0.0, 0.9, 0.81, 0.9]),
    done=jnp.zeros(6, bool),
)


@pytest.mark.parametrize("name", ["dqn", "munchausen", "c51", "qr", "hl-gauss"])
def test_losses_on_images_equal_the_equations(name):
    """Of a convolutional network and a batch, each transition against a loop in NumPy."""
    atoms = {"c51": 5, "qr": 4, "hl-gauss": 5}.get(name)
    network = networks.QNetwork(networks.conv((4,), (8,)), 3, num_atoms=atoms)
    make = {
        "dqn": lambda: agents.dqn(network),
        "munchausen": lambda: agents.munchausen(network, 0.5),
        "c51": lambda: agents.c51(network, SUPPORT),
        "qr": lambda: agents.qr_dqn(network, 4),
        "hl-gauss": lambda: agents.hl_gauss(network, SUPPORT, 0.7),
    }
    params, target_params = (network.init(jax.random.key(i), IMAGE_BATCH.obs) for i in (0, 1))
    found = losses(make[name](), params, target_params, IMAGE_BATCH)
    out, target_out, next_out = (
        np.asarray(network.apply(p, obs), np.float64)
        for p, obs in (
            (params, IMAGE_BATCH.obs),
            (target_params, IMAGE_BATCH.obs),
            (target_params, IMAGE_BATCH.next_obs),
        )
    )
    support = np.asarray(SUPPORT, np.float64)
    expected = []
    for i in range(6):
        a, r, g = (
            float(x[i]) for x in (IMAGE_BATCH.action, IMAGE_BATCH.reward, IMAGE_BATCH.discount)
        )
        a = int(a)
        if name == "dqn":
            expected.append((r + g * max(next_out[i]) - out[i, a]) ** 2 / 2)
        elif name == "munchausen":
            target = oracles.munchausen_target(r, g, target_out[i], next_out[i], a, 0.9, 0.5, -1.0)
            expected.append((target - out[i, a]) ** 2 / 2)
        elif name == "qr":
            best = np.argmax(next_out[i].mean(-1))
            levels = (np.arange(4) + 0.5) / 4
            expected.append(
                oracles.quantile_huber(out[i, a], levels, r + g * next_out[i, best], 1.0)
            )
        else:
            p, next_p = oracles.softmax_rows(out[i]), oracles.softmax_rows(next_out[i])
            best = np.argmax(next_p @ support)
            target = (
                oracles.project(r + g * support, next_p[best], support)
                if name == "c51"
                else oracles.gaussian_histogram(r + g * (next_p @ support)[best], support, 0.7)
            )
            expected.append(-np.sum(target * np.log(p[a])))
    np.testing.assert_allclose(found.loss, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: agents.munchausen(Table(TABLE), temperature=0.0), r"temperature \(0.0\) must be"),
        (lambda: agents.munchausen(Table(TABLE), alpha=1.5), r"alpha \(1.5\) must lie in \[0, 1\]"),
        (lambda: agents.munchausen(Table(TABLE), log_policy_min=1.0), "log_policy_min"),
        (lambda: agents.advantage_learning(Table(TABLE), alpha=1.0), r"alpha \(1.0\) must lie in"),
        (lambda: agents.hl_gauss(Table(TABLE), SUPPORT, 0.0), r"sigma \(0.0\) must be above 0"),
        (lambda: agents.qr_dqn(Table(TABLE), 0), r"num_quantiles \(0\) must be at least 1"),
        (lambda: agents.qr_dqn(Table(TABLE), 2, kappa=0.0), r"kappa \(0.0\) must be above 0"),
        (lambda: agents.iqn(Table(TABLE), num_levels=0), r"num_levels \(0\) must be at least 1"),
        (
            lambda: agents.noisy(table_agent(), initial_scale=-1.0),
            r"initial_scale \(-1.0\) must be above",
        ),
    ],
)
def test_invalid_hyperparameters_raise_config_errors(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


AGENTS = {
    "dqn": lambda: agents.dqn(networks.QNetwork(networks.mlp((8,)), 2)),
    "munchausen": lambda: agents.munchausen(
        networks.QNetwork(networks.mlp((8,)), 2), temperature=0.5
    ),
    "advantage": lambda: agents.advantage_learning(networks.QNetwork(networks.mlp((8,)), 2)),
    "c51": lambda: agents.c51(
        networks.QNetwork(networks.mlp((8,)), 2, networks.heads.dueling(6), 5), SUPPORT
    ),
    "hl-gauss": lambda: agents.hl_gauss(
        networks.QNetwork(networks.mlp((8,)), 2, num_atoms=5), SUPPORT, 0.7
    ),
    "qr": lambda: agents.qr_dqn(networks.QNetwork(networks.mlp((8,)), 2, num_atoms=4), 4),
    "iqn": lambda: agents.iqn(
        # Not ReLU, whose derivative is undefined where all features are zero.
        networks.ImplicitQuantile(
            networks.mlp((8,), activation=jnp.tanh), 2, networks.heads.hidden(6), num_cosines=6
        )
    ),
    "rainbow": lambda: agents.rainbow(
        networks.QNetwork(networks.mlp((8,)), 2, networks.heads.dueling(6), 5), SUPPORT
    ),
    "noisy": lambda: agents.noisy(
        agents.dqn(networks.QNetwork(networks.mlp((8,)), 2, networks.heads.hidden(16)))
    ),
}


@pytest.mark.parametrize("name", AGENTS)
def test_gradients_equal_finite_differences(name):
    """In float64, along a random direction of the parameters."""
    # Older versions of JAX have `enable_x64` in `jax.experimental` only.
    module = jax if hasattr(jax, "enable_x64") else jax.experimental
    with module.enable_x64(True):
        agent, rng = AGENTS[name](), np.random.default_rng(0)
        batch = transition(0, 1)._replace(
            obs=jnp.array(rng.normal(size=(6, 3))),
            next_obs=jnp.array(rng.normal(size=(6, 3))),
            action=jnp.array(rng.integers(0, 2, 6)),
            reward=jnp.array(rng.normal(size=6)),
            discount=jnp.array(rng.choice([0.0, 0.9], 6)),
            done=jnp.zeros(6, bool),
        )
        params, target = (
            jax.tree.map(lambda x: x.astype(jnp.float64), agent.init(jax.random.key(i), batch.obs))
            for i in (0, 1)
        )
        direction = jax.tree.map(lambda x: jnp.array(rng.normal(size=x.shape)), params)

        def along(t):
            moved = jax.tree.map(lambda x, d: x + t * d, params, direction)
            return jnp.mean(losses(agent, moved, target, batch).loss)

        along = jax.jit(along)
        numeric = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=2e-4)
