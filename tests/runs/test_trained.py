"""`jaxdqn.load`: the policy of a run in one line, for single and batched NumPy observations."""

import dataclasses
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner

import jaxdqn
from jaxdqn import envs, evaluation, policies, recipes
from jaxdqn.config import ConfigError
from jaxdqn.runs import directory, experiment, loop, saved
from jaxdqn.runs.errors import BAD_INPUT, DAMAGED, RunError
from jaxdqn.runs.trained import TrainedPolicy

EVAL_RETURNS = [[30.0, 90.0, None], [50.0, 20.0, 40.0]]
"""Of two evaluations of the seeds 7, 8 and 9: the second is best at first, the first at the end."""


def init(agent, obs, seed):
    return agent.init(jax.random.key(seed), jnp.zeros(obs.shape, obs.dtype))


def write_run(run_dir, env, agent="dqn"):
    """The files of a run whose final parameters are those of keys 0, 1, 2, and the best of keys 10, 11, 12."""
    recipe = recipes.find(env, agent)
    small = dataclasses.replace(recipe.config, features=(16,))
    recipe = dataclasses.replace(recipe, config=small)
    args = experiment.Args(agent=agent, steps=50_000, seeds=3, seed=7, eval_interval=1_000)
    directory.create(run_dir, run_dir, experiment.run_config(recipe, args), resume=False)
    found = recipe.agent(), recipe.obs(1)
    final, best = (
        jax.tree.map(lambda *x: jnp.stack(x), *(init(*found, first + k) for k in range(3)))
        for first in (0, 10)
    )
    saved.save(saved.network(recipe), run_dir, loop.Policies(final, best))
    rows = [
        {"env_steps": 1_000 * k, "eval_return": returns, "loss": [0.0] * 3}
        for k, returns in enumerate(EVAL_RETURNS, start=1)
    ]
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return recipe


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("cartpole") / "run"
    return run_dir, write_run(run_dir, "CartPole-v1")


@pytest.mark.parametrize(
    ("options", "seed", "key"),
    [({}, 8, 11), ({"which": "final"}, 7, 0), ({"seed": 9}, 9, 12)],
)
def test_the_best_seed_of_the_evaluation_is_the_default(cartpole, options, seed, key):
    run_dir, recipe = cartpole
    policy = jaxdqn.load(run_dir, **options)
    agent, obs = recipe.agent(), np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    q = np.asarray(agent.q_values(init(agent, recipe.obs(1), key), obs))
    assert policy.seed == seed and policy.config == recipe.config
    np.testing.assert_allclose(policy.q_values(obs), q, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(policy.act(obs), q.argmax(axis=-1))


@pytest.mark.parametrize(
    ("env", "agent"),
    [
        ("CartPole-v1", "rainbow"),
        ("Breakout-MinAtar", "iqn"),
        ("FrozenLake-misc", "pqn"),
        ("helpers.envs:chain_env", "dqn"),
    ],
)
def test_one_observation_and_many_give_the_same(tmp_path, env, agent):
    recipe = write_run(tmp_path / "run", env, agent)
    policy = jaxdqn.load(str(tmp_path / "run"), env=env if ":" in env else None)
    shape, actions = recipe.obs(1).shape[1:], recipe.env.num_actions
    obs = np.random.default_rng(0).integers(2, size=(2, 3, *shape))
    q = policy.q_values(obs)
    assert q.shape == (2, 3, actions) and q.dtype == np.float32 and isinstance(q, np.ndarray)
    np.testing.assert_allclose(policy.q_values(obs[1, 2]), q[1, 2], rtol=1e-4, atol=1e-5)
    assert policy.act(obs).shape == (2, 3) and policy.act(obs[0, 0]).shape == ()
    assert policy.act(obs[0, 0].tolist()) in range(actions)
    found = policy.evaluate(num_episodes=4)
    assert found.returns.shape == (4,) and isinstance(found.returns, np.ndarray)
    assert np.array_equal(found.returns, policy.evaluate(4, seed=0).returns)


def test_an_evaluation_with_epsilon_one_is_that_of_random_actions(cartpole):
    policy = jaxdqn.load(cartpole[0])
    env = envs.vectorize(policy.recipe.env, 1_000)
    play = jax.jit(lambda key: evaluation.evaluate(key, None, env, policies.random(2)))
    expected = play(jax.random.key(1)).returns
    found = policy.evaluate(1_000, epsilon=1.0).returns
    error = np.sqrt((np.var(expected) + np.var(found)) / 1_000)
    assert abs(found.mean() - np.mean(expected)) < 4 * error
    # Without ε it is another policy.
    assert abs(policy.evaluate(1_000).returns.mean() - found.mean()) > 4 * error


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_is_the_probability_of_a_uniform_action(monkeypatch, epsilon):
    def ones(policy, obs):
        return np.ones(np.shape(obs)[:-3], int)

    monkeypatch.setattr(TrainedPolicy, "act", ones)
    policy = TrainedPolicy(recipes.find("Breakout-MinAtar"), 0, None)
    act = policy.epsilon_greedy(epsilon, seed=1)
    counts = np.bincount(act(np.zeros((30_000, 1, 1, 1))), minlength=3)
    p = epsilon / 3
    tolerance = 4 * np.sqrt(30_000 * p * (1 - p))
    np.testing.assert_allclose(counts[[0, 2]], 30_000 * p, atol=tolerance)
    one = act(np.zeros((1, 1, 1)))
    assert one.shape == () and one in range(3)


@pytest.mark.parametrize("epsilon", [-0.1, 1.01, float("nan"), np.float32(2)])
def test_an_epsilon_outside_the_unit_interval_is_an_error(cartpole, epsilon):
    policy = jaxdqn.load(cartpole[0])
    for use in (
        lambda: policy.evaluate(4, epsilon=epsilon),
        lambda: policy.epsilon_greedy(epsilon),
        lambda: policy.recipe.policy(epsilon=epsilon),
    ):
        with pytest.raises(ConfigError, match=r"epsilon .* must lie in \[0, 1\]"):
            use()


def test_an_observation_of_another_shape_is_an_error(cartpole):
    rule = r"obs \[2, 3\] must be \[4\], or \[\.\.\., 4\] for many\."
    with pytest.raises(ValueError, match=rule):
        jaxdqn.load(cartpole[0]).act(np.zeros((2, 3)))


def test_what_cannot_be_loaded_is_one_line_that_names_it(cartpole, tmp_path):
    def require(error, code, *rules, **options):
        with pytest.raises(error) as found:
            jaxdqn.load(tmp_path, **options)
        assert all(rule in str(found.value) for rule in rules) and "\n" not in str(found.value)
        assert getattr(found.value, "exit_code", BAD_INPUT) == code

    require(RunError, BAD_INPUT, "must be the directory of a run")
    config = json.loads((cartpole[0] / "config.json").read_text())
    directory.write_json(tmp_path / "config.json", config)
    require(RunError, BAD_INPUT, "best.npz does not exist", "when it ends or is stopped")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "best.npz").write_bytes(b"PK")
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    require(RunError, DAMAGED, "metrics.jsonl is damaged")
    require(RunError, DAMAGED, "best.npz must be a policy of this network", seed=8)
    require(ConfigError, BAD_INPUT, "policy_seed (6) must be a seed of the run, 7 to 9", seed=6)
    require(ConfigError, BAD_INPUT, "which (last) must be one of best, final", which="last")
    config["config"]["env"] = name = "no_module:make"
    directory.write_json(tmp_path / "config.json", config)
    require(RunError, DAMAGED, "config.json", f"add --env {name}")
    require(RunError, DAMAGED, name, "there is no no_module", env=name)


def test_the_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    write_run(tmp_path / "runs" / "double", "Acrobot-v1", "double")
    blocks = re.findall(r"```python\n(.*?)```", (runner.ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "jaxdqn.load" in block)
    assert len(code.splitlines()) <= 6
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    *_, mean = capsys.readouterr().out.split()
    assert -500 <= float(mean) <= 0


def test_importing_the_package_does_not_import_runs():
    script = (
        "import sys, jaxdqn\n"
        "assert not [name for name in sys.modules if name.startswith('jaxdqn.runs')]\n"
        "assert 'load' in dir(jaxdqn) and callable(jaxdqn.load)\n"
        "assert 'jaxdqn.runs.trained' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=runner.ROOT, check=True)
