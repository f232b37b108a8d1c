"""A run on images and on discrete observations: resumed to the bit, and its policy acts the same elsewhere."""

import dataclasses
import json
import os
import signal

import jax
import numpy as np
import pytest
from jax import export

from jaxdqn import envs, policies, recipes
from jaxdqn.runs import experiment, saved
from jaxdqn.runs.errors import Interrupted

SMALL = {"num_envs": 8, "features": (16,)}
REPLAY = {"learning_starts": 80, "buffer_size": 800, "batch_size": 16, "num_updates": 1}
PAIRS = [
    ("Breakout-MinAtar", "prioritized"),
    ("Breakout-MinAtar", "rainbow"),
    ("FrozenLake-misc", "pqn"),
]


def options(recipe, run_dir, **more):
    given = SMALL | (REPLAY if recipe.algorithm.replay else {})
    # Four chunks of the same length.
    steps, interval = (1_200, 280) if recipe.algorithm.replay else (2_048, 512)
    numbers = {"steps": steps, "eval_interval": interval, "eval_episodes": 3}
    overrides = experiment.Overrides(**given)
    return experiment.EnvArgs(
        env=recipe.env_name,
        agent=recipe.agent_name,
        config=overrides,
        run_dir=run_dir,
        quiet=True,
        checkpoint_interval=1,
        **numbers,
        **more,
    )


def train(recipe, run_dir, on_evaluation=(), **more):
    args = options(recipe, run_dir, **more)
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        experiment.main(lambda: recipe, args, on_evaluation)


def interrupt(row):
    if row["chunk"] == 2:
        os.kill(os.getpid(), signal.SIGTERM)


def check(recipe, folder):
    """The body of the test, for any environment and agent."""
    alone, stopped = folder / "alone", folder / "stopped"
    train(recipe, alone)
    with pytest.raises(Interrupted):
        train(recipe, stopped, [interrupt])
    train(recipe, stopped, resume=True)
    for name in ("metrics.jsonl", "episodes.csv", "policy/final.npz", "policy/best.npz"):
        assert (stopped / name).read_bytes() == (alone / name).read_bytes(), name

    loaded, seeds = saved.load_recipe(alone)
    assert loaded.hyperparameters(loaded.config)["features"] == (16,) and list(seeds) == [0]
    params = saved.load_policy(alone, saved.network(loaded), seeds, None, "final.npz")
    agent = loaded.agent()
    obs = observations(loaded.env)
    with jax.numpy_rank_promotion("allow"):
        q = np.asarray(jax.jit(agent.q_values)(params, obs))
    program = export.deserialize(bytearray((alone / "policy" / "final.stablehlo").read_bytes()))
    action = np.asarray(program.call(obs))
    best = np.take_along_axis(q, action[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(best, q.max(axis=1), rtol=1e-4, atol=1e-5)
    return alone, obs, q


def observations(env):
    """64 observations of a random rollout."""
    vector = envs.vectorize(env, 8)

    def step(state, key):
        action_key, step_key = jax.random.split(key)
        action = policies.random(vector.num_actions)(action_key, None, np.zeros((8, 1)))
        state, timestep = vector.step(step_key, state, action)
        return state, timestep.obs

    def play(key):
        reset_key, key = jax.random.split(key)
        return jax.lax.scan(step, vector.reset(reset_key)[0], jax.random.split(key, 8))[1]

    with jax.debug_key_reuse(False):
        obs = np.asarray(jax.jit(play)(jax.random.key(5)))
    return obs.reshape(64, *obs.shape[2:])


@pytest.mark.slow
@pytest.mark.parametrize(("env", "agent"), PAIRS)
def test_a_run_is_resumed_to_the_bit_and_its_policy_acts_the_same_elsewhere(tmp_path, env, agent):
    run_dir, obs, q = check(recipes.find(env, agent), tmp_path)
    config = json.loads((run_dir / "config.json").read_text())["config"]
    recipe = recipes.find(env, agent)
    assert config["config"].keys() == recipe.hyperparameters(recipe.config).keys()
    assert (config["env"], config["agent"]) == (env, agent)
    if (env, agent) == PAIRS[0]:
        np.testing.assert_allclose(by_numpy(run_dir, obs), q, rtol=1e-3, atol=1e-4)


def by_numpy(run_dir, obs):
    """The action values of a convolutional network from the arrays in the order of their layers."""
    with np.load(run_dir / "policy" / "final.npz") as arrays:
        weights = {name: arrays[name][0] for name in sorted(arrays)}
    names, x = list(weights), obs.astype(np.float64)
    for bias, weight in zip(names[::2], names[1::2], strict=True):
        w, b = weights[weight], weights[bias]
        if "Conv" in weight.split(".")[-2]:
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
            x = np.einsum("bijcuv,uvcf->bijf", windows, w) + b
        elif "LayerNorm" in weight:
            x = x - x.mean(-1, keepdims=True)
            x = np.maximum(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * w + b, 0)
        else:
            x = x.reshape(len(x), -1) @ w + b
    return x


def test_what_an_agent_does_not_read_is_refused():
    recipe = recipes.find("CartPole-v1", "pqn")
    args = dataclasses.replace(options(recipe, None), config=experiment.Overrides(n_step=2))
    with pytest.raises(Exception, match=r"n_step \(2\) must not be given: pqn on CartPole-v1"):
        experiment.complete(recipe, args)
