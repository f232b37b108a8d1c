"""Export to StableHLO: the program takes the same actions in a process that has only JAX."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from helpers import runner
from helpers.policies import observations, require_same_actions, undecided

from jaxdqn import policies, recipes
from jaxdqn.runs import export

# Executes the code of the README in the folder of each agent, for three batch sizes.
READER = """
import os, sys
import numpy as np
code, *agents = sys.argv[1:]
for agent in agents:
    os.chdir(agent)
    names = {}
    exec(code, names)
    assert names["action"].shape == (1,)
    assert names["policy"].platforms == ("cpu", "cuda", "tpu")
    for size in (1, 7, 1000):
        np.save(f"{size}.npy", names["policy"].call(np.load("../obs.npy")[:size]))
    os.chdir("..")
assert not {"jaxdqn", "flax", "orbax"} & sys.modules.keys()
"""


def test_an_exported_policy_takes_the_same_actions_in_another_process(tmp_path):
    """For all agents, by the code in jaxdqn/runs/README.md."""
    readme = (runner.ROOT / "jaxdqn" / "runs" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (code,) = (block for block in blocks if "export.deserialize" in block)
    obs, expected = observations(), {}
    np.save(tmp_path / "obs.npy", obs)
    for name in recipes.AGENTS:
        agent = recipes.find("CartPole-v1", name).agent()
        params, expected[name] = undecided(agent, obs)
        folder = tmp_path / name / "runs" / "first" / "policy"
        folder.mkdir(parents=True)
        policy, shape = policies.greedy(agent.q_values), jax.ShapeDtypeStruct((1, 4), jnp.float32)
        export.stablehlo(folder / "final.stablehlo", policy, params, shape)
    command = [sys.executable, "-c", READER, code, *recipes.AGENTS]
    subprocess.run(command, cwd=tmp_path, check=True)
    for name, q in expected.items():
        for size in (1, 7, 1_000):
            action = np.load(tmp_path / name / f"{size}.npy")
            assert (action.shape, action.dtype) == ((size,), np.int32)
            require_same_actions(action, q[:size])
