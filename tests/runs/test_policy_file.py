"""Policy files: plain arrays, damaged and malicious files, and the NumPy code of the README."""

import dataclasses
import os
import re
import zipfile

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner
from helpers.policies import observations, require_same_actions, undecided
from helpers.training import equal

from jaxdqn import recipes
from jaxdqn.runs import directory, experiment, policy_file
from jaxdqn.runs.errors import DAMAGED, RunError

OBS = jax.ShapeDtypeStruct((1, 4), jnp.float32)


def no_layers(params):
    """The network with the structure of `params` that applies none of them."""
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), params)
    return policy_file.Network(one, policy_file.layer_order(lambda params, obs: obs, one, OBS))


def save(path, params):
    policy_file.save(path, params, no_layers(params).order)


def load(path, template):
    return policy_file.load(path, no_layers(template), len(jax.tree.leaves(template)[0]))


def stack(params):
    """Parameters of two seeds: `params`, and twice `params`."""
    return jax.tree.map(lambda x: jnp.stack([x, 2 * x]), params)


@pytest.mark.parametrize("env", ["CartPole-v1", "Breakout-MinAtar"])
@pytest.mark.parametrize("name", recipes.AGENTS)
def test_arrays_are_numbered_in_the_order_of_their_layers(tmp_path, env, name):
    """The expected order is that of the calls of Flax modules."""
    recipe = recipes.find(env, name)
    small = dataclasses.replace(recipe.config, features=(3, 5), channels=(2, 3))
    agent, obs = recipe.agent(small), recipe.obs(1)
    params = agent.init(jax.random.key(0), jnp.zeros(obs.shape, obs.dtype))
    network = policy_file.network(agent, obs)
    policy_file.save(tmp_path / "final.npz", stack(params), network.order)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["final.npz"]
    assert equal(policy_file.load(tmp_path / "final.npz", network, 2), stack(params))
    called = []

    def record(method, args, kwargs, context):
        called.append(".".join(context.module.path))
        return method(*args, **kwargs)

    with nn.intercept_methods(record):
        agent.q_values(params, jnp.zeros(obs.shape, obs.dtype))
    with np.load(tmp_path / "final.npz", allow_pickle=False) as arrays:
        layers = sorted({array.rpartition(".")[0] for array in arrays})
    layers = [layer[3:] for layer in layers if ".scale." not in layer]
    layers = [layer.removeprefix("mean.").removeprefix("params.") for layer in layers]
    assert layers == [path for path in dict.fromkeys(called) if path in layers]
    assert len(layers) >= 3


@pytest.mark.parametrize(
    "params", [jnp.arange(3.0), {"w": jnp.ones((2, 3), jnp.bfloat16), "empty": jnp.zeros((0, 2))}]
)
def test_parameters_of_any_structure_are_restored(tmp_path, params):
    params = stack(params)
    save(tmp_path / "policy" / "final.npz", params)
    loaded = load(tmp_path / "policy" / "final.npz", jax.tree.map(jnp.zeros_like, params))
    assert equal(loaded, params)
    assert jax.tree.map(lambda x: x.dtype, loaded) == jax.tree.map(lambda x: x.dtype, params)


def test_a_policy_is_replaced_atomically(tmp_path, monkeypatch):
    path, params = tmp_path / "policy", {"w": jnp.arange(3.0)}
    save(path / "final.npz", params)

    def fail(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            save(path / "final.npz", {"w": jnp.zeros(3)})
    assert equal(load(path / "final.npz", params), params)
    save(path / "final.npz", {"w": jnp.ones(3)})
    assert equal(load(path / "final.npz", params), {"w": jnp.ones(3)})


def test_a_damaged_policy_is_one_line_that_names_the_file(tmp_path):
    """A flipped bit in each byte, and truncation: rejected, or without effect."""
    params = {"w": jnp.arange(3.0), "v": jnp.arange(2)}
    save(tmp_path / "final.npz", params)
    file = tmp_path / "final.npz"
    data, rejected = file.read_bytes(), 0
    flipped = [data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in range(len(data))]
    for damaged in [b"", data[:-1], data[: len(data) // 2], *flipped]:
        file.write_bytes(damaged)
        try:
            assert equal(load(tmp_path / "final.npz", params), params)
        except RunError as error:
            rejected += 1
            assert error.exit_code == DAMAGED and str(error).startswith(f"{file} ")
            assert "\n" not in str(error)
    assert rejected > len(data) / 2


class Malicious:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch hacked",)


def test_a_malicious_policy_is_rejected_without_executing_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "final.npz", {"w": jnp.arange(3.0)})
    file, template = tmp_path / "final.npz", {"w": jnp.zeros(3)}

    def require_rejected(reason):
        with pytest.raises(RunError, match=reason) as error:
            load(tmp_path / "final.npz", template)
        assert error.value.exit_code == DAMAGED

    np.savez(file, **{"00.w": np.array([Malicious()])})
    require_rejected(r"00.w is object\[1\], not float32\[3\]")
    np.savez(file, **{"00.w": np.zeros(3, np.float32), "../../hacked": np.zeros(1)})
    require_rejected(r"../../hacked is float64\[1\], not expected")
    np.savez_compressed(file, **{"00.w": np.zeros(3, np.float32)})
    require_rejected("00.w.npy is compressed")
    # The expected shape without data; a shape larger than any memory.
    for shape, reason in [((3,), "must be a policy"), ((2**60,), rf"00.w is float32\[{2**60}\]")]:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with zipfile.ZipFile(file, "w") as archive, archive.open("00.w.npy", "w") as array:
            np.lib.format.write_array_header_1_0(array, header)
        require_rejected(reason)
    assert [path.name for path in tmp_path.rglob("*")] == ["final.npz"]


def test_a_policy_of_another_shape_is_rejected(tmp_path):
    save(tmp_path / "policy" / "final.npz", {"w": jnp.zeros(5)})
    with pytest.raises(RunError, match=r"w is float32\[5\], not float32\[4\]"):
        load(tmp_path / "policy" / "final.npz", {"w": jnp.zeros(4)})
    with pytest.raises(RunError, match="must be a policy of this network"):
        load(tmp_path / "nothing" / "final.npz", {"w": jnp.zeros(4)})


@pytest.mark.parametrize("name", ["dqn", "double", "munchausen", "prioritized"])
def test_the_numpy_policy_equals_the_network(tmp_path, monkeypatch, name):
    """The code of jaxdqn/runs/README.md, at most 20 lines, for random parameters and 1000 observations."""
    readme = (runner.ROOT / "jaxdqn" / "runs" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (code,) = (block for block in blocks if "def act" in block)
    assert sum(map(bool, code.splitlines())) <= 20
    recipe, obs = recipes.find("CartPole-v1", name), observations()
    agent = recipe.agent()
    params, q = undecided(agent, obs)
    args = experiment.Args(agent=name, steps=1_000, eval_interval=100)
    config = experiment.run_config(recipe, args)
    path = directory.create(tmp_path / "runs" / "first", tmp_path, config, resume=False)
    stacked = jax.tree.map(lambda x: x[None], params)
    order = policy_file.network(agent, OBS).order
    policy_file.save(path / "policy" / "final.npz", stacked, order)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    np.testing.assert_allclose(names["q_values"](obs), q, rtol=1e-4, atol=1e-4)
    require_same_actions(names["act"](obs), q)
