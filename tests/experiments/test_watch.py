"""The program `watch.py`: policies in independent implementations of their environment."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner

import jaxdqn
from experiments import watch
from jaxdqn import envs, evaluation, recipes
from jaxdqn.runs.trained import TrainedPolicy

NUM_ENVS = 60


def follow(key, params, obs):
    """Breakout: towards the column of the ball, by the actions `params`: none, left, right."""
    ball, paddle = (obs[..., k].any(axis=1).argmax(axis=1) for k in (1, 0))
    return jnp.array(params)[jnp.sign(ball - paddle)]


@pytest.mark.parametrize(
    ("name", "actions"), [("Breakout-MinAtar", (0, 2, 1)), ("minatar-paper/Breakout", (0, 3, 1))]
)
def test_a_policy_has_the_same_return_in_the_original_minatar(name, actions):
    """`sign` is -1 to the left, the last of `actions`."""
    recipe = types.SimpleNamespace(env_name=name, env=envs.make(name))
    other = watch.find_other(name)
    env = other.make(recipe, NUM_ENVS)
    theirs = watch.play(env, lambda obs: np.asarray(follow(None, actions, obs)), NUM_ENVS, seed=0)
    vector = envs.vectorize(recipe.env, NUM_ENVS)
    key = jax.random.key(0)
    ours = jax.jit(lambda key: evaluation.evaluate(key, actions, vector, follow))(key).returns
    error = np.sqrt((np.var(ours) + np.var(theirs)) / NUM_ENVS)
    assert abs(np.mean(ours) - np.mean(theirs)) <= 5 * error + 1e-3 and np.mean(theirs) > 3
    # Without sticky actions only the side of the ball at the start is random.
    assert (len(set(theirs)) > 2) == name.startswith("minatar-paper")


def test_the_time_limit_of_the_recipe_ends_episodes_in_the_original():
    short = envs.time_limit(envs.make("Freeway-MinAtar"), 40)
    env = watch.MinAtar(types.SimpleNamespace(env_name="Freeway-MinAtar", env=short), 2)
    env.reset(seed=0)
    # The second of three actions is up, every third step.
    ends = [env.step(np.array([1, 0])) for _ in range(40)]
    assert [bool(end[3]) for end in ends] == [False] * 39 + [True]
    assert not any(end[2].any() for end in ends)
    obs = ends[0][0]
    assert obs.shape == (2, 10, 10, 7) and obs.dtype == bool


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("CartPole-v1", "Gymnasium"),
        ("SpaceInvaders-MinAtar", "MinAtar"),
        ("minatar-paper/SpaceInvaders", "MinAtar"),
        ("pgx/minatar-breakout", None),
        ("Catch-bsuite", None),
    ],
)
def test_environments_with_an_independent_implementation(name, label):
    other = watch.find_other(name)
    assert (other and other.label) == label


@pytest.mark.slow
def test_watching_plays_in_the_original_minatar(tmp_path):
    options = ["--env", "minatar-paper/SpaceInvaders", "--agent", "pqn", "--steps", 8_192]
    small = ["--eval-interval", 8_192, "--eval-episodes", 4, "--run-dir", tmp_path / "run"]
    code, _, err = runner.run("train.py", *options, *small)
    assert code == 0, err
    code, out, err = runner.run("watch.py", tmp_path / "run", "--episodes", 4)
    assert code == 0, err
    policy = jaxdqn.load(tmp_path / "run", "final")
    assert f"\njaxdqn: return {policy.evaluate(4).returns.mean():.4g} ±" in out
    theirs = watch.play(watch.MinAtar(policy.recipe, 4), policy.act, 4, seed=0)
    assert f"\nMinAtar: return {theirs.mean():.4g} ±" in out
    assert (tmp_path / "run" / "watch.gif").exists()


def test_watching_takes_random_actions_everywhere(tmp_path, monkeypatch, capsys):
    """With ε = 1 the policy does not matter; greedily, this one hits nothing in SpaceInvaders."""
    recipe = recipes.find("minatar-paper/SpaceInvaders", "pqn")
    params = recipe.agent().init(jax.random.key(0), jnp.zeros((1, 10, 10, 6)))
    policy = TrainedPolicy(recipe, 0, params)
    monkeypatch.setattr(jaxdqn, "load", lambda *given: policy)
    drawn = []
    monkeypatch.setattr(watch.render, "draw", lambda *given: drawn.append(given) or ([], None))
    watch.main(watch.Args(tmp_path, episodes=20, epsilon=1.0))
    out = capsys.readouterr().out
    assert "final parameters of seed 0, a random action with probability 1.\n" in out
    assert f"jaxdqn: return {policy.evaluate(20, epsilon=1.0).returns.mean():.4g} ±" in out
    act = TrainedPolicy(recipe, 0, jax.tree.map(jnp.zeros_like, params)).epsilon_greedy(1.0)
    theirs = watch.play(watch.MinAtar(recipe, 20), act, 20, seed=0)
    assert theirs.mean() > 1
    assert f"MinAtar: return {theirs.mean():.4g} ±" in out
    *_, shown = drawn[0]
    actions = shown(jax.random.key(0), params, jnp.zeros((1_000, 10, 10, 6)))
    assert len(set(actions.tolist())) == 6
