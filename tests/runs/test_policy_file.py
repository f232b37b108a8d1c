"""Policy files: plain arrays, damaged and malicious files, and the NumPy code of the README."""

import os
import re
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runner
from helpers.policies import observations, require_same_actions, undecided
from helpers.training import equal

from jaxdqn.recipes import classic
from jaxdqn.runs import directory, experiment, policy_file
from jaxdqn.runs.errors import DAMAGED, RunError


@pytest.mark.parametrize("name", classic.AGENTS)
def test_arrays_are_numbered_in_the_order_of_their_layers(tmp_path, name):
    agent, obs = classic.make_agent(name, features=(3, 5)), jnp.zeros((1, 4))
    params = agent.init(jax.random.key(0), obs)
    policy_file.save_policy(tmp_path / "policy", params)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["policy.npz"]
    assert equal(
        policy_file.load_policy(tmp_path / "policy", agent.init(jax.random.key(1), obs)), params
    )
    with np.load(tmp_path / "policy" / "policy.npz", allow_pickle=False) as arrays:
        numbered = {name[3:]: int(name[:2]) for name in arrays}
    # The order of use in the jaxpr; the noise scales of noisy networks are not used greedily.
    paths, _ = zip(*jax.tree_util.tree_leaves_with_path(params), strict=True)
    program = jax.make_jaxpr(agent.q_values)(params, obs).jaxpr
    path_of = dict(zip(map(id, program.invars), paths, strict=False))
    inputs = [id(x) for equation in program.eqns for x in equation.invars]
    used = [path_of[x] for x in inputs if x in path_of]
    numbers = [numbered[jax.tree_util.keystr(path, simple=True, separator=".")] for path in used]
    assert sorted(set(numbers)) == list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))
    assert len(numbered) == len(paths)


@pytest.mark.parametrize(
    "params", [jnp.arange(3.0), {"w": jnp.ones((2, 3), jnp.bfloat16), "empty": jnp.zeros((0, 2))}]
)
def test_parameters_of_any_structure_are_restored(tmp_path, params):
    policy_file.save_policy(tmp_path / "policy", params)
    loaded = policy_file.load_policy(tmp_path / "policy", jax.tree.map(jnp.zeros_like, params))
    assert equal(loaded, params)
    assert jax.tree.map(lambda x: x.dtype, loaded) == jax.tree.map(lambda x: x.dtype, params)


def test_a_policy_is_replaced_atomically(tmp_path, monkeypatch):
    path, params = tmp_path / "policy", {"w": jnp.arange(3.0)}
    policy_file.save_policy(path, params)

    def fail(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            policy_file.save_policy(path, {"w": jnp.zeros(3)})
    assert equal(policy_file.load_policy(path, params), params)
    policy_file.save_policy(path, {"w": jnp.ones(3)})
    assert equal(policy_file.load_policy(path, params), {"w": jnp.ones(3)})


def test_a_damaged_policy_is_one_line_that_names_the_file(tmp_path):
    """A flipped bit in each byte, and truncation: rejected, or without effect."""
    params = {"w": jnp.arange(3.0), "v": jnp.arange(2)}
    policy_file.save_policy(tmp_path, params)
    file = tmp_path / "policy.npz"
    data, rejected = file.read_bytes(), 0
    flipped = [data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in range(len(data))]
    for damaged in [b"", data[:-1], data[: len(data) // 2], *flipped]:
        file.write_bytes(damaged)
        try:
            assert equal(policy_file.load_policy(tmp_path, params), params)
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
    policy_file.save_policy(tmp_path, {"w": jnp.arange(3.0)})
    file, template = tmp_path / "policy.npz", {"w": jnp.zeros(3)}

    def require_rejected(reason):
        with pytest.raises(RunError, match=reason) as error:
            policy_file.load_policy(tmp_path, template)
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
    assert [path.name for path in tmp_path.rglob("*")] == ["policy.npz"]


def test_a_policy_of_another_shape_is_rejected(tmp_path):
    policy_file.save_policy(tmp_path / "policy", {"w": jnp.zeros(5)})
    with pytest.raises(RunError, match=r"w is float32\[5\], not float32\[4\]"):
        policy_file.load_policy(tmp_path / "policy", {"w": jnp.zeros(4)})
    with pytest.raises(RunError, match="must be a policy of this network"):
        policy_file.load_policy(tmp_path / "nothing", {"w": jnp.zeros(4)})


@pytest.mark.parametrize("name", ["dqn", "double", "munchausen", "prioritized"])
def test_the_numpy_policy_equals_the_network(tmp_path, monkeypatch, name):
    """The code of jaxdqn/runs/README.md, at most 20 lines, for random parameters and 1000 observations."""
    readme = (runner.ROOT / "jaxdqn" / "runs" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (code,) = (block for block in blocks if "def act" in block)
    assert sum(map(bool, code.splitlines())) <= 20
    agent, obs = classic.make_agent(name), observations()
    params, q = undecided(agent, obs)
    config = experiment.run_config(experiment.Args(agent=name))
    path = directory.create(tmp_path / "runs" / "first", tmp_path, config, resume=False)
    policy_file.save_policy(path / "policy", params)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    np.testing.assert_allclose(names["q_values"](obs), q, rtol=1e-4, atol=1e-4)
    require_same_actions(names["act"](obs), q)
