"""Steps per second of environments."""

import jax
import pytest

from experiments.benchmark import environments
from jaxdqn import envs
from jaxdqn.config import ConfigError


def test_each_call_continues_all_environments_with_other_actions():
    env = envs.make("CartPole-v1")
    call = environments.stepping(envs.vectorize(env, 3), num_steps=4, devices=2)
    (_, first), (state, second) = call(), call()
    assert first.shape == second.shape == (2, 3, 4)
    assert len(set(second[..., 2].ravel().tolist())) == 6
    assert {x.shape[:2] for x in jax.tree.leaves(state)} == {(2, 3)}


def test_the_table_has_a_row_for_each_environment(capsys):
    names = ("CartPole-v1", "Breakout-MinAtar")
    environments.main(environments.Args(names, num_envs=2, num_steps=2, repeats=1))
    shown = capsys.readouterr().out
    assert all(f"| {name} |" in shown for name in names)


@pytest.mark.parametrize("name", ["num_envs", "num_steps", "repeats"])
def test_numbers_are_at_least_1(name):
    with pytest.raises(ConfigError, match=name):
        environments.main(environments.Args(**{name: 0}))
