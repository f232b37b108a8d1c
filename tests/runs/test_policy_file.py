"""A saved policy is plain arrays: what was saved comes back, what was not is refused."""

import os
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import equal

from jaxdqn.recipes import classic
from jaxdqn.runs import policy_file
from jaxdqn.runs.errors import DAMAGED, RunError


@pytest.mark.parametrize("name", classic.AGENTS)
def test_a_policy_is_plain_arrays_numbered_as_their_layers_are_applied(tmp_path, name):
    agent, obs = classic.make_agent(name, features=(3, 5)), jnp.zeros((1, 4))
    params = agent.init(jax.random.key(0), obs)
    policy_file.save_policy(tmp_path / "policy", params)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["policy.npz"]
    assert equal(
        policy_file.load_policy(tmp_path / "policy", agent.init(jax.random.key(1), obs)), params
    )
    with np.load(tmp_path / "policy" / "policy.npz", allow_pickle=False) as arrays:
        numbered = {name[3:]: int(name[:2]) for name in arrays}
    # The order in which JAX itself saw them used; noisy nets' scales are not, in greedy play.
    paths, _ = zip(*jax.tree_util.tree_leaves_with_path(params), strict=True)
    program = jax.make_jaxpr(agent.q_values)(params, obs).jaxpr
    of = dict(zip(map(id, program.invars), paths, strict=False))
    used = [of[id(x)] for equation in program.eqns for x in equation.invars if id(x) in of]
    numbers = [numbered[jax.tree_util.keystr(path, simple=True, separator=".")] for path in used]
    assert sorted(set(numbers)) == list(dict.fromkeys(numbers)) == list(range(len(set(numbers))))
    assert len(numbered) == len(paths)


@pytest.mark.parametrize(
    "params", [jnp.arange(3.0), {"w": jnp.ones((2, 3), jnp.bfloat16), "empty": jnp.zeros((0, 2))}]
)
def test_any_parameters_can_be_a_policy(tmp_path, params):
    policy_file.save_policy(tmp_path / "policy", params)
    loaded = policy_file.load_policy(tmp_path / "policy", jax.tree.map(jnp.zeros_like, params))
    assert equal(loaded, params)
    assert jax.tree.map(lambda x: x.dtype, loaded) == jax.tree.map(lambda x: x.dtype, params)


def test_a_policy_takes_the_place_of_the_one_before_at_once(tmp_path, monkeypatch):
    path, params = tmp_path / "policy", {"w": jnp.arange(3.0)}
    policy_file.save_policy(path, params)

    def die(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(OSError, match="no space left"):
            policy_file.save_policy(path, {"w": jnp.zeros(3)})
    assert equal(policy_file.load_policy(path, params), params)
    policy_file.save_policy(path, {"w": jnp.ones(3)})
    assert equal(policy_file.load_policy(path, params), {"w": jnp.ones(3)})


def test_a_damaged_policy_is_one_line_that_names_the_file(tmp_path):
    """One bit of any byte, or the end cut off: said, or of no consequence."""
    params = {"w": jnp.arange(3.0), "v": jnp.arange(2)}
    policy_file.save_policy(tmp_path, params)
    file = tmp_path / "policy.npz"
    data, refused = file.read_bytes(), 0
    flipped = [data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in range(len(data))]
    for damaged in [b"", data[:-1], data[: len(data) // 2], *flipped]:
        file.write_bytes(damaged)
        try:
            assert equal(policy_file.load_policy(tmp_path, params), params)
        except RunError as error:
            refused += 1
            assert error.exit_code == DAMAGED and str(error).startswith(f"{file} ")
            assert "\n" not in str(error)
    assert refused > len(data) / 2


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch hacked",)


def test_a_strangers_policy_is_not_executed_nor_believed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    policy_file.save_policy(tmp_path, {"w": jnp.arange(3.0)})
    file, template = tmp_path / "policy.npz", {"w": jnp.zeros(3)}

    def refused(why):
        with pytest.raises(RunError, match=why) as error:
            policy_file.load_policy(tmp_path, template)
        assert error.value.exit_code == DAMAGED

    np.savez(file, **{"00.w": np.array([Evil()])})
    refused(r"00.w is object\[1\], not float32\[3\]")
    np.savez(file, **{"00.w": np.zeros(3, np.float32), "../../hacked": np.zeros(1)})
    refused(r"../../hacked is float64\[1\], not wanted")
    np.savez_compressed(file, **{"00.w": np.zeros(3, np.float32)})
    refused("00.w.npy is compressed")
    # Of the shape that was asked for and without data; of one that no machine holds.
    for shape, why in [((3,), "can be read"), ((2**60,), rf"00.w is float32\[{2**60}\]")]:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with zipfile.ZipFile(file, "w") as archive, archive.open("00.w.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, header)
        refused(why)
    assert [path.name for path in tmp_path.rglob("*")] == ["policy.npz"]


def test_a_saved_policy_of_another_shape_is_refused(tmp_path):
    policy_file.save_policy(tmp_path / "policy", {"w": jnp.zeros(5)})
    with pytest.raises(RunError, match=r"w is float32\[5\], not float32\[4\]"):
        policy_file.load_policy(tmp_path / "policy", {"w": jnp.zeros(4)})
    with pytest.raises(RunError, match="holds no policy"):
        policy_file.load_policy(tmp_path / "nothing", {"w": jnp.zeros(4)})
