"""Losses of the agents against their equations, on tables with known values."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import oracles
from helpers.envs import TABLE, Table, table_agent, transition
from helpers.training import losses

from jaxdqn import agents, distributions, networks, targets
from jaxdqn.agents.iqn import stratified
from jaxdqn.agents.noisy import NoisyParams, perturb, sample_noise
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
    td_error = losses(agent, TABLE, TARGET, batch).td_error
    q = np.asarray(TARGET, np.float64)
    target = oracles.munchausen_target(1.0, 0.5, q[0], q[1], action, 0.9, temperature, -1.0)
    np.testing.assert_allclose(td_error, [target - TABLE[0, action]], rtol=1e-5)


def test_munchausen_without_bonus_at_low_temperature_is_dqn():
    munchausen = agents.munchausen(Table(TABLE), temperature=1e-4, alpha=0.0)
    found, expected = (losses(agent, TABLE, TARGET, STEP) for agent in (munchausen, table_agent()))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_advantage_learning_lowers_the_target_of_suboptimal_actions_only():
    # State 0 under the target table: action 0 is best, the gap to action 1 is 1.5.
    agent = agents.advantage_learning(Table(TABLE), alpha=0.4)
    # Bellman target 1 + 0.5 * 2.5 = 2.25; lowered by 0.4 * 1.5 = 0.6 for action 1; q is 2 and 1.
    for action, expected in ((1, 2.25 - 0.6 - 2.0), (0, 2.25 - 1.0)):
        batch = transition(0, action, reward=1.0, discount=0.5, next_obs=1)
        np.testing.assert_allclose(
            losses(agent, TABLE, TARGET, batch).td_error, [expected], rtol=1e-5
        )


def test_the_persistent_operator_is_at_least_the_target_of_the_repeated_action():
    agent = agents.advantage_learning(
        Table(TABLE), alpha=0.9, operator=targets.persistent_advantage_learning
    )
    # 2.25 - 0.9 * 1.5 = 0.9 is below the target of action 1 repeated: 1 + 0.5 * 2.5 = 2.25.
    np.testing.assert_allclose(losses(agent, TABLE, TARGET, STEP).td_error, [2.25 - 2.0], rtol=1e-5)


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
    loss, td_error, priority = losses(agent, LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    next_p = [oracles.softmax(x) for x in np.asarray(TARGET_LOGITS[1])]
    best = int(np.argmax([p @ support for p in next_p]))
    target = oracles.project(1.0 + 0.5 * support, next_p[best], support)
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    np.testing.assert_allclose(loss, [-np.sum(target * np.log(p))], rtol=1e-5)
    np.testing.assert_allclose(td_error, [(target - p) @ support], rtol=1e-4)
    # Not the difference of the means: distributions with equal means may differ.
    np.testing.assert_allclose(priority, [-np.sum(target * np.log(p))], rtol=1e-5)


def test_c51_q_values_are_the_means():
    q = agents.c51(Table(LOGITS), SUPPORT).q_values(LOGITS, jnp.array([1]))
    p = [oracles.softmax(x) for x in np.asarray(LOGITS[1])]
    np.testing.assert_allclose(q[0], [x @ np.asarray(SUPPORT) for x in p], rtol=1e-5)


def test_double_c51_selects_the_action_with_the_online_network():
    agent = agents.c51(Table(LOGITS), SUPPORT, targets.double_action)
    online = LOGITS.at[1, 0].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    target = TARGET_LOGITS.at[1, 1].set(jnp.array([0.0, 0.0, 0.0, 0.0, 9.0]))
    td_error = losses(agent, online, target, STEP).td_error
    support = np.asarray(SUPPORT, np.float64)
    p = oracles.project(1 + 0.5 * support, oracles.softmax(np.asarray(target[1, 0])), support)
    mean = oracles.softmax(np.asarray(online[0, 1])) @ support
    np.testing.assert_allclose(td_error, [p @ support - mean], rtol=1e-4)


def test_hl_gauss_is_the_cross_entropy_to_the_histogram_of_the_target():
    agent = agents.hl_gauss(Table(LOGITS), SUPPORT, sigma=0.7)
    loss, td_error, priority = losses(agent, LOGITS, TARGET_LOGITS, STEP)
    support = np.asarray(SUPPORT, np.float64)
    value = max(oracles.softmax(x) @ support for x in np.asarray(TARGET_LOGITS[1]))
    target = 1.0 + 0.5 * value
    p = oracles.softmax(np.asarray(LOGITS[0, 1]))
    histogram = oracles.gaussian_histogram(target, support, 0.7)
    np.testing.assert_allclose(loss, [-np.sum(histogram * np.log(p))], rtol=1e-4)
    np.testing.assert_allclose(td_error, [target - p @ support], rtol=1e-4)
    np.testing.assert_allclose(priority, [abs(target - p @ support)], rtol=1e-4)


QUANTILES = jnp.array([[[0.0, 1.0], [1.0, 3.0]], [[2.0, 4.0], [0.0, 5.0]]])


def test_qr_dqn_is_the_quantile_huber_loss_of_all_pairs():
    agent = agents.qr_dqn(Table(QUANTILES), num_quantiles=2)
    loss, td_error, priority = losses(agent, QUANTILES, QUANTILES + 1.0, STEP)
    # Next state: means 4 and 3.5, so action 0 with quantiles 3 and 5; targets 1 + 0.5 * (3, 5).
    expected = oracles.quantile_huber([1.0, 3.0], [0.25, 0.75], [2.5, 3.5], 1.0)
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)
    np.testing.assert_allclose(td_error, [3.0 - 2.0])
    np.testing.assert_allclose(priority, [expected], rtol=1e-5)


def test_the_priority_of_dqn_is_the_magnitude_of_the_td_error():
    batch = transition(1, 1, reward=1.0, discount=0.5, next_obs=0)
    # 1 + 0.5 * 2 - 5.
    found = losses(table_agent(error_loss=optax.huber_loss), TABLE, TABLE, batch)
    np.testing.assert_allclose(found.td_error, [-3.0])
    np.testing.assert_allclose(found.priority, [3.0])
    np.testing.assert_allclose(found.loss, [2.5])


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
    loss = jax.vmap(lambda key: losses(agent, TABLE, TARGET, LEVEL_STEP, key).loss[0])(keys)
    assert len(np.unique(loss)) > 3_900
    # Predicted 4 τ, target 1 + 0.5 * 5 τ'; QR-DQN with many quantiles has the same integral.
    levels = (np.arange(200) + 0.5) / 200
    qr = oracles.quantile_huber(4 * levels, levels, 1 + 2.5 * levels, 1.0) / 200
    # Summed over 8 levels; 4 standard errors of the mean of 4,000.
    np.testing.assert_allclose(np.mean(loss), 8 * qr, atol=4 * np.std(loss) / np.sqrt(4_000))


def test_iqn_samples_one_level_in_each_interval():
    levels = np.array([stratified(jax.random.key(i), 4) for i in range(500)])
    np.testing.assert_array_equal(np.floor(4 * levels), np.tile(np.arange(4.0), (500, 1)))
    # Uniform within the interval: mean 1/2, standard deviation 1/√12.
    np.testing.assert_allclose((4 * levels % 1).mean(0), 0.5, atol=4 / np.sqrt(12 * 500))


HEAD = networks.heads.hidden(16)
NOISY = agents.noisy(agents.dqn(networks.QNetwork(networks.mlp((8,)), 2, HEAD)))
OBS = jnp.ones((20_000, 3))


def test_noise_differs_between_environments_and_greedy_values_have_none():
    params = NOISY.init(jax.random.key(0), OBS[:2])
    q = NOISY.explore(jax.random.key(1), params, OBS[:64])
    assert len(np.unique(np.asarray(q)[:, 0])) == 64
    greedy = NOISY.q_values(params, OBS[:64])
    assert len(np.unique(np.asarray(greedy), axis=0)) == 1
    network = networks.QNetwork(networks.mlp((8,)), 2, HEAD)
    np.testing.assert_allclose(greedy, network.apply(params.mean, OBS[:64]))


def test_noise_has_mean_zero_and_the_variance_of_its_scale():
    layer = {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}
    params = NoisyParams({"Dense_0": layer}, {"Dense_0": jax.tree.map(lambda x: x + 0.5, layer)})
    noise = sample_noise(jax.random.key(4), params, 20_000)
    sampled = jax.vmap(lambda noise: perturb(params, noise)["Dense_0"])(noise)
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


def test_only_dense_layers_after_the_torso_have_noise():
    head = networks.heads.hidden(8, networks.norm_relu)
    network = networks.QNetwork(networks.conv((2,), (8,), networks.norm_relu), 2, head)
    params = agents.noisy(agents.dqn(network)).init(jax.random.key(0), jnp.ones((1, 5, 5, 1)))
    sampled = perturb(params, sample_noise(jax.random.key(1), params, 1)[0])
    moved = jax.tree.map(lambda x, y: bool(np.all(x != y)), sampled, params.mean)["params"]
    assert moved == {
        "torso": jax.tree.map(lambda x: False, moved["torso"]),
        "Dense_0": {"kernel": True, "bias": True},
        "LayerNorm_0": {"scale": False, "bias": False},
        "Dense_1": {"kernel": True, "bias": True},
    }
    # σ is 0.5 / √inputs, and only these layers have one: 8 features, 8 hidden units.
    scales = jax.tree.map(lambda x: np.unique(x).tolist(), params.scale)["params"]
    expected = {"kernel": [np.float32(0.5 / np.sqrt(8))], "bias": [np.float32(0.5 / np.sqrt(8))]}
    assert scales == {"Dense_0": expected, "Dense_1": expected}


def test_a_network_without_noisy_layers_is_refused():
    params = {"torso": {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}}
    agent = agents.noisy(table_agent()._replace(init=lambda key, obs: params))
    with pytest.raises(ValueError, match="needs a dense layer outside the submodule `torso`"):
        agent.init(jax.random.key(0), OBS[:2])


def test_an_update_uses_three_independent_samples_of_the_noise():
    """For the selection of the next action, the target network and the prediction."""
    layer = {"Dense_0": {"kernel": jnp.zeros((1, 1)), "bias": jnp.zeros(1)}}
    seen = agents.Agent(
        init=lambda key, obs: layer,
        q_values=lambda params, obs: obs,
        target=lambda key, params, target_params, batch: (params, target_params),
        loss=lambda key, params, batch, target: agents.Losses(params, *target),
        explore=lambda key, params, obs: obs,
    )
    agent = agents.noisy(seen, initial_scale=1.0)
    params = agent.init(jax.random.key(0), jnp.ones((1, 1)))
    keys = jax.random.split(jax.random.key(1), 4_000)
    samples = jax.vmap(lambda key: losses(agent, params, params, STEP, key))(keys)
    noise = [np.asarray(sample["Dense_0"]["bias"])[:, 0] for sample in samples]
    # 4 standard errors of a correlation of 4,000 pairs.
    np.testing.assert_allclose(np.corrcoef(noise), np.eye(3), atol=4 / np.sqrt(4_000))


def test_rainbow_selects_the_next_action_with_a_network_of_its_own():
    """Both actions are equally good; noise selects each in about half of the updates."""
    table = agents.Agent(
        init=lambda key, obs: {"Dense_0": {"kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)}},
        q_values=lambda params, obs: obs,
        target=lambda key, params, target_params, batch: targets.double_action(
            target_params["Dense_0"]["bias"][None], params["Dense_0"]["bias"][None]
        ),
        loss=lambda key, params, batch, target: agents.Losses(
            jnp.argmax(params["Dense_0"]["bias"])[None], target, target
        ),
        explore=lambda key, params, obs: obs,
    )
    agent = agents.noisy(table)
    params = agent.init(jax.random.key(0), jnp.ones((1, 1)))
    keys = jax.random.split(jax.random.key(2), 2_000)
    predicted, selected, _ = jax.vmap(lambda key: losses(agent, params, params, STEP, key))(keys)
    agree = np.mean(np.asarray(predicted) == np.asarray(selected))
    # With one sample for both they would always agree. 4 standard errors.
    np.testing.assert_allclose(agree, 0.5, atol=4 * 0.5 / np.sqrt(2_000))


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
            return jnp.mean(losses(agent, moved, target, batch).loss)

        along = jax.jit(along)
        numeric = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(along)(0.0), numeric, rtol=2e-4)
