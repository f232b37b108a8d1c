"""Whole games in the environment and in the official engine, turn by turn."""

import contextlib
import functools
import itertools

import jax
import pytest

from experiments.lux import agreement, engine, scripted
from jaxdqn.config import ConfigError
from jaxdqn.envs.lux import board, collection, movement, rules, turn
from jaxdqn.runs.errors import RunError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("policy", list(scripted.POLICIES))
@pytest.mark.parametrize(("size", "index", "research"), [(12, 0, 0), (16, 1, 195)])
def test_every_quantity_is_equal_in_every_turn(lux, policy, size, index, research):
    last = agreement.game(lux, size, index, scripted.POLICIES[policy], research)
    assert last.turn > 30


def test_at_least_one_game_is_compared():
    with pytest.raises(ConfigError, match="games"):
        agreement.main(agreement.Args(games=0))


def test_no_two_games_are_equal(monkeypatch):
    """Of 200, and each policy plays on both sizes."""
    seen = []

    def game(lux, size, index, policy, research, seed):
        seen.append((size, index, policy, research, seed))
        return board.start(*map(jax.numpy.asarray, ([0], [0], 0, 0)), max_workers=1)

    monkeypatch.setattr(agreement, "game", game)
    monkeypatch.setattr(engine, "run", contextlib.nullcontext)
    agreement.main(agreement.Args(games=200))
    assert len(set(seen)) == 200
    assert {(size, policy) for size, _, policy, _, _ in seen} == set(
        itertools.product((12, 16), scripted.POLICIES.values())
    )


def without_loss(share, amount, counts):
    """Leaves in a cell what cannot be shared equally."""
    level, _ = share(amount, counts)
    given = sum(counts[k] * jax.numpy.minimum(k, level) for k in range(len(counts)))
    return level, amount - given


def without_collisions(state, action):
    target, moves = movement.targets(state, action)
    return jax.numpy.where(moves, target, state.workers.cell), moves


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (rules, "WORKER_COOLDOWN", 3),
        (rules, "CITY_COOLDOWN", 9),
        (rules, "ADJACENCY_BONUS", 4),
        (rules, "MAX_GROWING_WOOD", 499),
        (rules, "WORKER_UPKEEP", 3),
        (rules, "RESEARCH_POINTS", {1: 0, 2: 60, 3: 200}),
        (rules, "FUEL", {1: 1, 2: 9, 3: 40}),
        (rules, "MAX_TURNS", 359),
        (collection, "share", functools.partial(without_loss, collection.share)),
        (movement, "resolve", without_collisions),
    ],
)
def test_another_rule_is_noticed(lux, monkeypatch, owner, name, value):
    monkeypatch.setattr(owner, name, value)
    monkeypatch.setattr(agreement, "play", jax.jit(lambda *inputs: turn.play(*inputs)))
    with pytest.raises(agreement.Disagreement, match="turn"):
        for index in range(8):
            agreement.game(lux, 12, index, scripted.keeper, research=45)


def test_what_the_engine_lacks_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "CACHE", tmp_path / "none")
    monkeypatch.setattr(engine, "WHEEL", "no-such-wheel-of-lux==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RunError, match="cannot be downloaded") as error:
        engine.folder()
    assert "\n" not in str(error.value)
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="needs Node"):
        engine.node()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('not JSON')", "otherwise than expected"),
        ("console.error('1\\n1\\n1')", "otherwise than expected"),
        ("console.error('[1, 2]\\n1\\n{}')", "otherwise than expected"),
        ("console.error('[\"u 0 0 u_1\"]\\n1\\n{}')", "otherwise than expected"),
        ("process.stderr.write(Buffer.from([255, 10]))", "otherwise than expected"),
        ("setInterval(() => 0, 99)", "60 s"),
    ],
)
def test_an_engine_that_answers_otherwise_or_hangs(monkeypatch, tmp_path, script, said):
    (tmp_path / "dimensions").mkdir()
    (tmp_path / "dimensions" / "main.js").write_text(script)
    monkeypatch.setattr(engine, "CACHE", tmp_path)
    with pytest.raises(RunError, match=said), engine.run() as running:
        monkeypatch.setattr(running._lines, "get", hurry(running._lines.get))
        running.start(0, 12)


def hurry(get):
    """A wait of 2 s in place of a minute."""
    return lambda timeout: get(timeout=2.0)
