"""Run directories without training, for reports: chosen parameters, returns and configs."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import recipes
from jaxdqn.runs import directory, experiment, loop, saved

BALANCE = np.array([0.05, 0.1, 1.0, 0.25])
"""A linear controller of CartPole: push to the right where `BALANCE @ obs` is positive."""


def write(path, env="CartPole-v1", agent="dqn", seeds=1, params=None, **config):
    """A finished run of three evaluations; `params` are those of every seed, by default initial ones."""
    recipe = recipes.find(env, agent)
    recipe = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, **config))
    if params is None:
        obs = recipe.obs(1)
        params = recipe.agent().init(jax.random.key(0), jnp.zeros(obs.shape, obs.dtype))
    args = experiment.EnvArgs(agent=agent, seeds=seeds, seed=7, steps=30_000, eval_interval=10_000)
    directory.create(path, path, experiment.run_config(recipe, args), resume=False)
    stacked = jax.tree.map(lambda x: jnp.stack([x] * seeds), params)
    network = saved.network(recipe)
    saved.save(network, path, loop.Policies(stacked, stacked))
    for steps in (10_000, 20_000):
        saved.save_snapshot(network, path, steps, jax.tree.map(lambda x: x[:1], stacked))
    rows = [metrics(10_000 * (k + 1), [100.0 * k + s for s in range(seeds)]) for k in range(3)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "result.json").write_text(json.dumps({"seconds": {"run": 12.5}}))
    return recipe, params


def metrics(env_steps, returns):
    return {"env_steps": env_steps, "eval_return": returns, "train_return": [0.0] * len(returns)}


def balancing():
    """Parameters of a network without hidden layers that balances the pole."""
    scale = np.array(recipes.find("CartPole-v1").obs_scale)
    right = 10 * BALANCE / scale
    kernel = jnp.asarray(np.stack([-right, right], axis=1), jnp.float32)
    return {"params": {"Dense_0": {"kernel": kernel, "bias": jnp.zeros(2)}}}


def data(page):
    """The data in the text of a page."""
    _, _, rest = page.partition('<script type="application/json" id="data">')
    return json.loads(rest.partition("</script>")[0])
