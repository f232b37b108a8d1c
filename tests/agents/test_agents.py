"""Losses of the agents against their equations, on tables with known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import oracles
from helpers.envs import TABLE, Table, table_agent, transition

from jaxdqn import agents, distributions, networks, targets
from jaxdqn.agents.noisy import NoisyParams, sample_params
from jaxdqn.config import ConfigError

# A second table, for the target network.
TARGET = jnp.array([[0.5, -1.0], [2.0, 2.5]])
STEP = transition(0, 1, reward=1.0, discount=0.5, next_obs=1)
SUPPORT = distributions.support(0.0, 4.0, 5)


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("temperature", [0.03, 1.0])
def test_munchausen_equals_its_equation(action, temperature):
    agent = agents.munchausen(Table(TABLE), temperature, alpha=0.9, log_policy_min=-1.0)
    batch = transition(0, action, reward=1.0, discount=0.5, next_obs=1)
    _, td_error = agent.loss(jax.random.key(0), TABLE, TARGET, batch)
    q = np.asarray(TARGET, np.float64)
    target = oracles.munchausen_target(1.0, 0.5, q[0], q[1], action, 0.9, temperature, -1.0)
    np.testing.assert_allclose(td_error, [target - TABLE[0, action]], rtol=1e-5)


def test_munchausen_without_bonus_at_low_temperature_is_dqn():
    munchausen = agents.munchausen(Table(TABLE), temperature=1e-4, alpha=0.0)
    found, expected = (
        a.loss(jax.random.key(0), TABLE, TARGET, STEP) for a in (munchausen, table_agent())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_advantage_learning_lowers_the_target_of_suboptimal_actions_only():
    # State 0 under the target table: action 0 is best, the gap to action 1 is 1.5.
    agent = agents.advantage_learning(Table(TABLE), alpha=0.4)
    # Bellman target 1 + 0.5 * 2.5 = 2.25; lowered by 0.4 * 1.5 = 0.6 for action 1; q is 2 and 1.
    for action, expected in ((1, 2.25 - 0.6 - 2.0), (0, 2.25 - 1.0)):
        batch = transition(0, action, reward=1.0, discount=0.5, next_obs=1)
        np.testing.assert_allclose(
            agent.loss(jax.random.key(0), TABLE, TARGET, batch)[1], [expected], rtol=1e-5
        )


def test_the_persistent_operator_is_at_least_the_target_of_the_repeated_action():
    agent = agents.advantage_learning(
        Table(TABLE), alpha=0.9, operator=targets.persistent_advantage_learning
    )
    # 2.25 - 0.9 * 1.5 = 0.9 is below the target of action 1 repeated: 1 + 0.5 * 2.5 = 2.25.
    np.testing.assert_allclose(
        agent.loss(jax.random.key(0), TABLE, TARGET, STEP)[1], [2.25 - 2.0], rtol=1e-5
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_advantage_learning_widens_the_gap_by_1_over_1_minus_alpha(alpha):
    """Value iteration with rewards 1 and 0.8: the best values are unchanged, the gap grows."""
    rewards, gamma = jnp.array([[1.0, 0.8], [1.0, 0.8]]), 0.5
    q = jnp.zeros((2, 2))
    for _ in range(200):
        bellman = rewards + gamma * q.max(-1, keepdims=True)
        q = targets.advantage_learning(bellman, bellman, alpha * (q.max(-1, keepdims=True) - q))
    # max q = 1 / (1 - γ) = 2 for every α; the gap 0.2 becomes 0.2 / (1 - α).
    np.testing.assert_allclose(q[:, 0], [2.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(q[:, 0] - q[:, 1], [0.2 / (1 - alpha)] * 2, rtol=1e-4)


# Logits `[states, A, Z]` for the categorical agents.
LOGITS = jax.random.normal(jax.random.key(1), (2, 2, 5))
TARGET_LOGITS = jax.random.normal(jax.random.key(2), (2, 2, 5))


def test_c51_is_the_cross_entropy_to_the_projected_target():
    agent = agents.c51(Table(LOGITS), SUPPORT)
    loss, td_error = agent.loss(jax.random.key(0), LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    next_p = [oracles.softmax(x) for x in np.asarray(TARGET_LOGITS[1])]
    best = int(np.argmax([p @ support for p in next_p]))
    target = oracles.project(1.0 + 0.5 * support, next_p[best], support)
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    np.testing.assert_allclose(loss, [-np.sum(target * np.log(p))], rtol=1e-5)
    np.testing.assert_allclose(td_error, [(target - p) @ support], rtol=1e-4)


def test_c51_q_values_are_the_means():
    q = agents.c51(Table(LOGITS), SUPPORT).q_values(LOGITS, jnp.array([1]))
    p = [oracles.softmax(x) for x in np.asarray(LOGITS[1])]
    np.testing.assert_allclose(q[0], [x @ np.asarray(SUPPORT) for x in p], rtol=1e-5)


def test_double_c51_selects_the_action_with_the_online_network():
    agent = agents.c51(Table(LOGITS), SUPPORT, targets.double_action)
    online = LOGITS.at[1, 0].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    target = TARGET_LOGITS.at[1, 1].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    _, td_error = agent.loss(jax.random.key(0), online, target, STEP)
    support = np.asarray(SUPPORT, np.float64)
    p = oracles.project(1 + 0.5 * support, oracles.softmax(np.asarray(target[1, 0])), support)
    mean = oracles.softmax(np.asarray(online[0, 1])) @ support
    np.testing.assert_allclose(td_error, [p @ support - mean], rtol=1e-4)


def test_hl_gauss_is_the_cross_entropy_to_the_histogram_of_the_target():
    agent = agents.hl_gauss(Table(LOGITS), SUPPORT, sigma=0.7)
    loss, td_error = agent.loss(jax.random.key(0), LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    value = max(oracles.softmax(x) @ support for x in np.asarray(TARGET_LOGITS[1]))
    target = 1.0 + 0.5 * value
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    histogram = oracles.gaussian_histogram(target, support, 0.7)
    np.testing.assert_allclose(loss, [-np.sum(histogram * np.log(p))], rtol=1e-4)
    np.testing.assert_allclose(td_error, [target - p @ support], rtol=1e-4)


QUANTILES = jnp.array([[[0.0, 1.0], [1.0, 3.0]], [[2.0, 4.0], [0.0, 5.0]]])


def test_qr_dqn_is_the_quantile_huber_loss_of_all_pairs():
    agent = agents.qr_dqn(Table(QUANTILES), num_quantiles=2)
    loss, td_error = agent.loss(jax.random.key(0), QUANTILES, QUANTILES + 1.0, STEP)
    # Next state: means 4 and 3.5, so action 0 with quantiles 3 and 5; targets 1 + 0.5 * (3, 5).
    expected = oracles.quantile_huber([1.0, 3.0], [0.25, 0.75], [2.5, 3.5], 1.0)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)
    np.testing.assert_allclose(td_error, [3.0 - 2.0])


class LevelTable:
    """A network with the quantile function `2 τ q(s, a)`, whose mean is `q(s, a)`."""

    def init(self, key, obs, levels):
        return TABLE

    def apply(self, params, obs, levels):
        q = obs @ params
        levels = jnp.broadcast_to(levels, (*q.shape[:-1], levels.shape[-1]))
        return q[..., None] * levels[..., None, :] * 2.0


STATES = jnp.eye(2)
LEVEL_STEP = STEP._replace(obs=STATES[:1], next_obs=STATES[1:])


def test_iqn_q_values_are_the_means_of_the_quantile_function():
    q = agents.iqn(LevelTable()).q_values(TABLE, STATES)
    np.testing.assert_allclose(q, TABLE, rtol=1e-5)


def test_iqn_samples_levels_for_each_loss_and_its_mean_loss_is_that_of_qr_dqn():
    agent = agents.iqn(LevelTable(), num_levels=8, num_target_levels=8)
    keys = jax.random.split(jax.random.key(3), 4_000)
    loss = jax.vmap(lambda key: agent.loss(key, TABLE, TARGET, LEVEL_STEP)[0][0])(keys)
    assert len(np.unique(loss)) > 3_900
    # Predicted 4 τ, target 1 + 0.5 * 5 τ'; QR-DQN with many quantiles has the same integral.
    levels = (np.arange(200) + 0.5) / 200
    qr = oracles.quantile_huber(4 * levels, levels, 1 + 2.5 * levels, 1.0) / 200
    # Summed over 8 levels; 4 standard errors of the mean of 4,000.
    np.testing.assert_allclose(np.mean(loss), 8 * qr, atol=4 * np.std(loss) / np.sqrt(4_000))


NOISY = agents.noisy(agents.dqn(networks.QNetwork(networks.mlp((16,)), 2)))
OBS = jnp.ones((20_000, 3))


def test_noise_differs_between_environments_and_greedy_values_have_none():
    params = NOISY.init(jax.random.key(0), OBS[:2])
    q = NOISY.explore(jax.random.key(1), params, OBS[:64])
    assert len(np.unique(np.asarray(q)[:, 0])) == 64
    greedy = NOISY.q_values(params, OBS[:64])
    assert len(np.unique(np.asarray(greedy), axis=0)) == 1
    np.testing.assert_allclose(
        greedy, networks.QNetwork(networks.mlp((16,)), 2).apply(params.mean, OBS[:64])
    )


def test_noise_has_mean_zero_and_the_variance_of_its_scale():
    layer = {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}
    params = NoisyParams({"Dense_0": layer}, {"Dense_0": jax.tree.map(lambda x: x + 0.5, layer)})
    keys = jax.random.split(jax.random.key(4), 20_000)
    sampled = jax.vmap(lambda key: sample_params(key, params)["Dense_0"])(keys)
    kernel, bias = np.asarray(sampled["kernel"]), np.asarray(sampled["bias"])
    # f(x)² = |x| has mean m = √(2/π): the bias has variance 0.25 m, the kernel 0.25 m².
    half_normal = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(kernel.mean(0), 0, atol=5 * 0.5 / np.sqrt(20_000))
    np.testing.assert_allclose(bias.var(0), 0.25 * half_normal, rtol=0.05)
    np.testing.assert_allclose(kernel.var(0), 0.25 * half_normal**2, rtol=0.07)
    # Factorised: one random number per input and output, so kernel rows are multiples of the bias.
    np.testing.assert_allclose(
        kernel[:, 0] * bias[:, [1, 2, 0]], kernel[:, 0][:, [1, 2, 0]] * bias, atol=1e-5
    )


def test_only_dense_layers_have_noise():
    agent = agents.noisy(
        agents.dqn(networks.QNetwork(networks.mlp((8,), activation=networks.norm_relu), 2))
    )
    params = agent.init(jax.random.key(0), OBS[:2])
    sampled, mean = (
        tree["params"]["Torso_0"]
        for tree in (sample_params(jax.random.key(1), params), params.mean)
    )
    for name in ("scale", "bias"):
        np.testing.assert_array_equal(sampled["LayerNorm_0"][name], mean["LayerNorm_0"][name])
    assert np.all(sampled["Dense_0"]["kernel"] != mean["Dense_0"]["kernel"])


def test_an_update_samples_separate_noise_for_the_online_and_target_network():
    params = NOISY.init(jax.random.key(0), OBS[:2])
    batch = transition(0, 1)._replace(obs=jnp.ones((1, 3)), next_obs=jnp.ones((1, 3)))

    def td_error(seed, action):
        taken = batch._replace(action=jnp.array([action]), discount=jnp.ones(1))
        return float(NOISY.loss(jax.random.key(seed), params, params, taken)[1][0])

    errors = [[td_error(seed, action) for action in (0, 1)] for seed in range(8)]
    assert len({error for pair in errors for error in pair}) == 16
    # The state is its own successor and the reward is 0: with equal noise in both networks the
    # better action would have error 0.
    assert all(abs(min(pair)) > 1e-6 for pair in errors)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: agents.munchausen(Table(TABLE), temperature=0.0), r"temperature \(0.0\) must be"),
        (lambda: agents.munchausen(Table(TABLE), alpha=1.5), r"alpha \(1.5\) must lie in \[0, 1\]"),
        (lambda: agents.munchausen(Table(TABLE), log_policy_min=1.0), "log_policy_min"),
        (lambda: agents.advantage_learning(Table(TABLE), alpha=1.0), r"alpha \(1.0\) must lie in"),
        (lambda: agents.hl_gauss(Table(LOGITS), SUPPORT, 0.0), r"sigma \(0.0\) must be above 0"),
        (lambda: agents.qr_dqn(Table(QUANTILES), 0), r"num_quantiles \(0\) must be at least 1"),
        (lambda: agents.qr_dqn(Table(QUANTILES), 2, kappa=0.0), r"kappa \(0.0\) must be above 0"),
        (lambda: agents.iqn(LevelTable(), num_levels=0), r"num_levels \(0\) must be at least 1"),
        (lambda: agents.noisy(NOISY, initial_scale=-1.0), r"initial_scale \(-1.0\) must be above"),
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
        networks.QNetwork(networks.mlp((8,)), 2, networks.heads.dueling, 5), SUPPORT
    ),
    "hl-gauss": lambda: agents.hl_gauss(
        networks.QNetwork(networks.mlp((8,)), 2, num_atoms=5), SUPPORT, 0.7
    ),
    "qr": lambda: agents.qr_dqn(networks.QNetwork(networks.mlp((8,)), 2, num_atoms=4), 4),
    "iqn": lambda: agents.iqn(networks.ImplicitQuantile(networks.mlp((8,)), 2, num_cosines=6)),
    "noisy": lambda: NOISY,
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
        double = lambda tree: jax.tree.map(lambda x: x.astype(jnp.float64), tree)  # noqa: E731
        params = double(agent.init(jax.random.key(0), batch.obs))
        target = double(agent.init(jax.random.key(1), batch.obs))
        direction = jax.tree.map(lambda x: jnp.array(rng.normal(size=x.shape)), params)

        def along(t):
            moved = jax.tree.map(lambda x, d: x + t * d, params, direction)
            return jnp.mean(agent.loss(jax.random.key(2), moved, target, batch)[0])

        along = jax.jit(along)
        numeric = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=2e-4)
