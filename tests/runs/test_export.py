"""A policy that was exported acts the same, where there is nothing but JAX."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from helpers import runner
from helpers.policies import observations, require_same_actions, undecided

from jaxdqn import policies
from jaxdqn.recipes import classic
from jaxdqn.runs import export

# The README's code, for each agent in its own folder and three sizes of a batch.
READER = """
import os, sys
import numpy as np
code, *names = sys.argv[1:]
for name in names:
    os.chdir(name)
    for size in (1, 7, 1000):
        found = {"obs": np.load("../obs.npy")[:size]}
        exec(code, found)
        np.save(f"{size}.npy", found["action"])
    assert found["policy"].platforms == ("cpu", "cuda", "tpu")
    os.chdir("..")
assert not {"jaxdqn", "flax", "orbax"} & sys.modules.keys()
"""


def test_an_exported_policy_acts_the_same_in_another_process(tmp_path):
    """Of every member of the family, by the lines in the README."""
    blocks = re.findall(r"```python\n(.*?)```", (runner.ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "export.deserialize" in block)
    obs, expected = observations(), {}
    np.save(tmp_path / "obs.npy", obs)
    for name in classic.AGENTS:
        agent = classic.make_agent(name)
        params, expected[name] = undecided(agent, obs)
        folder = tmp_path / name / "runs" / "cartpole" / "<the run>" / "policy"
        folder.mkdir(parents=True)
        policy, shape = policies.greedy(agent.q_values), jax.ShapeDtypeStruct((1, 4), jnp.float32)
        export.stablehlo(folder / "policy.stablehlo", policy, params, shape)
    command = [sys.executable, "-c", READER, code, *classic.AGENTS]
    subprocess.run(command, cwd=tmp_path, check=True)
    for name, q in expected.items():
        for size in (1, 7, 1_000):
            action = np.load(tmp_path / name / f"{size}.npy")
            assert (action.shape, action.dtype) == ((size,), np.int32)
            require_same_actions(action, q[:size])
