"""The README's code runs as it stands, and its table names every file."""

import re

import jax
import numpy as np
import optax
import pytest
import runner
from test_export import observations, require_same_actions, undecided

from experiments import cartpole, members
from jaxdqn.runs import directory, policy_file

README = (runner.ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_code_runs_as_it_stands(capsys):
    train, *variants = (block for block in BLOCKS if "<the run>" not in block)
    names = {"jax": jax, "optax": optax}
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        exec(train, names)
        # Random play earns 22 an episode.
        assert float(capsys.readouterr().out) > 30
        for variant in variants:
            exec(variant, names)
            parts = (names[part] for part in ("config", "env", "agent", "memory"))
            trainer = names["training"].dqn(*parts, optax.adam(1e-3), lambda steps: 0.1)
            jax.eval_shape(
                lambda key, trainer=trainer: trainer.step(trainer.init(key)), jax.random.key(0)
            )


@pytest.mark.parametrize("name", ["dqn", "double", "munchausen", "prioritized"])
def test_the_numpy_policy_is_the_networks(tmp_path, monkeypatch, name):
    """Its lines as they stand, at most twenty, on weights and biases at random and 1000 observations."""
    (block,) = (block for block in BLOCKS if "def act" in block)
    assert sum(map(bool, block.splitlines())) <= 20
    agent, obs = members.make_agent(name), observations()
    params, q = undecided(agent, obs)
    path = tmp_path / "runs" / "cartpole" / "<the run>"
    directory.claim(path, tmp_path, cartpole.choices(cartpole.Args(agent=name)), resume=False)
    policy_file.save_policy(path / "policy", params)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block, names)
    np.testing.assert_allclose(names["q_values"](obs), q, rtol=1e-4, atol=1e-4)
    require_same_actions(names["act"](obs), q)


def test_the_table_asks_each_file_its_own_question():
    for path in (runner.ROOT / "jaxdqn").glob("[!_]*.py"):
        question = re.search(rf"`jaxdqn/{path.name}` \| ([^?|]*\?)", README)
        assert question, f"{path.name} is not in the table"
        first_line = path.read_text().splitlines()[0].strip('"')
        assert first_line.startswith(question[1]), (path.name, first_line)


def test_the_pictures_are_there_and_small():
    for name in re.findall(r"!\[.*?\]\((?!https:)(.*?)\)", README):
        assert (runner.ROOT / name).stat().st_size < 300_000, name
