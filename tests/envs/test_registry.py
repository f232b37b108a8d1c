"""Environments by name: gymnax, functions of the user, suites, and one line for what cannot be used."""

import sys

import jax
import numpy as np
import pytest

from jaxdqn import envs
from jaxdqn.config import ConfigError
from jaxdqn.envs import suites

FILE = """
from jaxdqn import envs

def make():
    return envs.gymnax("CartPole-v1")

def nothing():
    return 3

def broken():
    return envs.Env(lambda key: 0, lambda key, s, a: (s, 0.0, 1), lambda s: s, 2)

def failing():
    raise KeyError("maze")

value = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_env.py").write_text(FILE)
    (tmp_path / "imports_nothing.py").write_text("import no_such_module")
    (tmp_path / "no_such_module_env.py").write_text("import no_such_module")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_env", None)


def test_a_function_is_found_from_the_current_directory(own):
    assert envs.make("own_env:make").num_actions == 2


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (
            "no_such_file:make",
            "must name a module that can be imported from .*; there is no no_such_",
        ),
        ("own_env:other", "must name a function of own_env; there is no other"),
        ("own_env:value", "must name a function of own_env"),
        ("own_env:nothing", "the function must return an Env, not int"),
        ("own_env:broken", "must be a valid environment: step must return a scalar reward"),
        ("own_env:failing", r"KeyError: 'maze' \(own_env.py, line 14\)"),
        ("imports_nothing:make", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("no_such_module_env:make", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_env:", "must name a function of own_env"),
    ],
)
def test_what_is_wrong_with_a_function_is_one_line(own, name, rule):
    with pytest.raises(ConfigError, match=rule) as error:
        envs.make(name)
    assert "\n" not in str(error.value) and error.value.option == "env"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CartPole", "CartPole-v1"),
        ("breakout-minatar", "Breakout-MinAtar"),
        ("Snake-v1", "snake"),
        ("x/y", ""),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_ones(name, nearest):
    with pytest.raises(ConfigError, match="must be a known environment, such as ") as error:
        envs.make(name)
    assert nearest in error.value.rule and "python -m jaxdqn --list-envs" in error.value.rule
    assert error.value.rule.count(",") == 3


def test_the_own_snake_has_its_size_and_limit():
    env = envs.make("snake")
    assert (env.num_actions, env.time_limit) == (4, 4_000)
    assert envs.check(env) == jax.ShapeDtypeStruct((23, 23, 4), bool)


@pytest.mark.parametrize(("name", "size"), [("lux", 12), ("lux-16", 16)])
def test_lux_has_boards_of_its_size(name, size):
    env = envs.make(name)
    state = jax.eval_shape(env.reset, jax.random.key(0))
    assert state.game.kind.shape == (size**2,)
    assert envs.check(env) == jax.ShapeDtypeStruct((11, 11, 30), np.uint8)


def test_the_list_holds_what_can_be_made():
    names = envs.names()
    assert {"snake", "lux", "lux-16", "CartPole-v1", "Breakout-MinAtar", "FrozenLake-misc"} <= set(
        names
    )
    assert {"minatar-paper/Breakout", "minatar-paper/SpaceInvaders"} <= set(names)
    assert not {"Pendulum-v1", "MNISTBandit-bsuite"} & set(names)


def test_a_suite_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pgx", None)
    with pytest.raises(ConfigError, match=r'needs pgx.*pip install -e "\.\[suites\]"'):
        envs.make("pgx/minatar-breakout")


def test_a_suite_that_cannot_be_imported_does_not_hide_the_other_names(monkeypatch):
    monkeypatch.setattr(suites, "is_installed", lambda suite: suite == "pgx")
    monkeypatch.setitem(sys.modules, "pgx", None)
    assert "CartPole-v1" in envs.names()


def test_an_unknown_name_imports_no_suite(monkeypatch):
    monkeypatch.setattr(suites, "_import", lambda suite: pytest.fail(f"{suite} was imported"))
    with pytest.raises(ConfigError, match="such as CartPole-v1"):
        envs.make("CartPole-v0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "num_actions"),
    [
        ("jumanji/Snake-v1", (12, 12, 5), 4),
        ("pgx/minatar-breakout", (10, 10, 4), 3),
        ("navix/Navix-Empty-5x5-v0", (5, 5, 3), 7),
    ],
)
def test_environments_of_the_suites(name, shape, num_actions):
    suite = name.split("/")[0]
    pytest.importorskip(suite)
    # The suites rely on what the tests of this package forbid.
    with jax.numpy_rank_promotion("allow"), jax.debug_key_reuse(False):
        env = envs.make(name)
        assert (envs.check(env).shape, env.num_actions) == (shape, num_actions)
    assert name in suites.names(suite)


@pytest.mark.slow
def test_the_time_limit_of_jumanji_truncates():
    """Its own limit would count as termination, and would not bootstrap."""
    pytest.importorskip("jumanji")
    env = envs.jumanji("Game2048-v1")
    assert env.time_limit is None
    assert envs.jumanji("Snake-v1").time_limit == 4_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule"),
    [("pgx/chess", "must be for one player, not 2"), ("jumanji/RubiksCube-v0", "one discrete act")],
)
def test_environments_of_the_suites_that_cannot_be_used(name, rule):
    pytest.importorskip(name.split("/")[0])
    with pytest.raises(ConfigError, match=rule):
        envs.make(name)
