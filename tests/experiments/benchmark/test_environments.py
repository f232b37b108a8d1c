"""Steps per second of environments."""

import jax
import pytest

from experiments.benchmark import environments
from jaxdqn import envs
from jaxdqn.config import ConfigError


def test_each_call_continues_all_environments():
    env = envs.make("CartPole-v1")
    call = environments.stepping(envs.vectorize(env, 3), num_steps=4, devices=2)
    call()
    state, obs, reward = call()
    # No episode of CartPole ends within eight steps.
    assert state.time.tolist() == [[8] * 3] * 2
    assert reward.tolist() == [[[1.0] * 3] * 4] * 2
    assert len(set(obs[..., 3].ravel().tolist())) == 6
    assert {x.shape[:2] for x in jax.tree.leaves(state)} == {(2, 3)}


def test_the_table_has_a_row_for_each_environment(capsys):
    names = ("CartPole-v1", "Breakout-MinAtar")
    environments.main(environments.Args(names, num_envs=2, num_steps=2, repeats=1))
    shown = capsys.readouterr().out
    assert all(f"| {name} |" in shown for name in names)


@pytest.mark.parametrize(
    ("name", "value"), [("envs", ()), ("num_envs", 0), ("num_steps", 0), ("repeats", 0)]
)
def test_numbers_are_at_least_1(name, value):
    with pytest.raises(ConfigError, match=name):
        environments.main(environments.Args(**{name: value}))
