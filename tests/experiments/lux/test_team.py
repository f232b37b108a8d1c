"""The team in the engine sees and does what the environment has, and the submission does the same without JAX."""

import io
import json
import subprocess
import sys
import tarfile
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.lux import lines

from experiments.lux import agreement, network, submission
from experiments.lux.position import parse
from experiments.lux.team import Team
from jaxdqn import recipes
from jaxdqn.envs.lux import board, decision, maps, movement, observation, orders, rules, turn
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.trained import TrainedPolicy

observe = jax.jit(observation.observe)
play = jax.jit(turn.play)
tile_rule = jax.jit(decision.tile_rule)
waits = jax.jit(decision.waits)
actions = jax.jit(orders.actions)
ended = jax.jit(orders.ended)


class Turn(NamedTuple):
    """A turn of a game: those who decide, what they see and choose, and what all do."""

    state: board.State
    seen: list[np.ndarray]
    chosen: list[int]
    actions: np.ndarray


def game(index, size=12, research=0, num_turns=120, seed=0):
    """A game of random orders."""
    rng, read = np.random.default_rng(seed), maps.load(size)
    fields = read.kind[index], read.amount[index], read.home[index], read.opponent[index]
    state = board.start(*map(jnp.asarray, fields), max_workers=rules.MAX_WORKERS)
    state = state._replace(research=jnp.int32(research), opponent_fuel=jnp.int32(10_000))
    order = np.full(rules.MAX_WORKERS, rules.NO_ORDER)
    opponents = np.arange(size**2) == read.opponent[index]
    for _ in range(num_turns):
        state = jax.device_get(state)
        if state.over:
            break
        seen, chosen = [], []
        for slot in np.flatnonzero(waits(state, order)):
            seen.append(np.asarray(observe(state, slot, order.copy(), opponents)))
            order[slot] = rng.choice(rules.ORDERS)
            chosen.append(int(order[slot]))
        action = np.asarray(actions(state, order))
        yield Turn(state, seen, chosen, action)
        before, state = state, play(state, action, tile_rule(state))
        order = np.where(ended(before, state), rules.NO_ORDER, order)


GAMES = [(0, 12, 0, 3), (1, 12, 190, 2), (2, 16, 45, 6), (3, 12, 200, 4)]
"""With seeds of random orders by which the team grows."""


@pytest.mark.parametrize(("index", "size", "research", "seed"), GAMES)
@pytest.mark.parametrize("team", [0, 1])
def test_a_team_sees_and_commands_as_the_environment_does(index, size, research, seed, team):
    asked, did, workers = [], set(), 0
    ours = Team(lambda obs: asked.pop(0)(obs), team, size)
    for state, seen, chosen, action in game(index, size, research, seed=seed):
        for expected, choice in zip(seen, chosen, strict=True):

            def answer(obs, expected=expected, choice=choice):
                np.testing.assert_array_equal(obs, expected)
                assert obs.dtype == expected.dtype
                return choice

            asked.append(answer)
        position = parse(lines(state, team))
        seats = {slot: name(slot, team) for slot in np.flatnonzero(state.workers.alive)}
        said = ours.commands(position, int(state.turn))
        assert not asked
        builds = np.asarray(turn.can_build(state)) & (action == rules.BUILD_CITY)
        _, moves = movement.targets(state, action)
        legal = np.where(moves | builds, action, rules.STAY)
        legal_tiles = np.where(state.tile_cooldown < 1, tile_rule(state), rules.REST)
        assert sorted(said) == sorted(agreement.commands(seats, state, legal, legal_tiles))
        did |= set(legal.tolist())
        workers = max(workers, int(state.workers.alive.sum()))
    assert did == set(range(rules.BUILD_CITY + 1)) and workers > 3


def name(slot, team):
    return f"u_{team}_{slot}"


def test_a_new_worker_takes_the_first_free_slot():
    def position(names):
        return parse([f"u 0 0 {name} {x} 0 0 0 0 0" for x, name in enumerate(names)])

    def order(names, turn=0):
        seen.clear()
        ours.commands(position(names), turn)
        return [names[x] for x in seen]

    seen = []
    ours = Team(lambda obs: seen.append(int(5 - obs[5, :5, 0].argmax()) % 5) or 0, 0, 12)
    assert order(["a", "b", "c"]) == ["a", "b", "c"]
    # In rotation `b` is the first of two.
    assert order(["b", "c"]) == ["b"]
    # The slot of `a` is free: `d` decides before `b`, the second of three.
    assert order(["b", "c", "d"], turn=1) == ["d", "b"]


def test_a_worker_that_is_lost_at_once_had_a_slot():
    """Two are built; the city of the first has no fuel. The next one takes its slot."""
    city = "c 0 c_1 0 23", "ct 0 c_1 0 0 0", "c 0 c_2 99 23", "ct 0 c_2 2 0 0", "ct 0 c_2 4 0 0"
    old, built, next_ = "u 0 0 a 3 0 0 0 0 0", "u 0 0 b 2 0 0 0 0 0", "u 0 0 c 1 0 0 0 0 0"
    seen = []
    ours = Team(lambda obs: seen.append(int(5 - obs[5, :5, 0].argmax()) % 5) or 0, 0, 12)
    assert ours.commands(parse([old, *city]), 0)[-3:] == ["bw 0 0", "bw 2 0", "r 4 0"]
    ours.commands(parse([old, built, *city[2:]]), 1)
    seen.clear()
    ours.commands(parse([old, built, next_, *city[2:]]), 2)
    # The third in rotation is `b`, at x = 2.
    assert seen == [1, 2]


def test_workers_of_the_other_team_are_walked_around():
    """The wood is two cells to the east of the unit, the other team between them."""
    told = ["r wood 4 2 100", "u 0 0 ours 2 2 0 0 0 0"]
    ours = Team(lambda obs: rules.BRING_WOOD, 0, 12)
    assert ours.commands(parse(told), 1) == ["m ours e"]
    between = [*told, "u 0 1 other 3 2 0 0 0 0"]
    assert ours.commands(parse(between), 2) in (["m ours n"], ["m ours s"])


def trained(agent="pqn", env="lux"):
    recipe = recipes.find(env, agent)
    obs = np.zeros(recipe.obs(1).shape, recipe.obs(1).dtype)
    return TrainedPolicy(recipe, 0, recipe.agent().init(jax.random.key(0), obs))


def test_the_network_in_numpy_has_the_values_of_the_policy():
    policy, rng = trained(), np.random.default_rng(0)
    with np.load(io.BytesIO(submission.weights(policy))) as data:
        params = dict(data)
    obs = rng.integers(0, 256, (200, 11, 11, 30), np.uint8)
    q = np.stack([network.q_values(params, one) for one in obs])
    np.testing.assert_allclose(q, policy.q_values(obs), atol=1e-4)


@pytest.mark.parametrize("agent", ["dueling", "c51", "noisy"])
def test_a_network_that_numpy_does_not_have_is_refused(agent):
    with pytest.raises(RunError, match=f"agent {agent} has another network"):
        submission.weights(trained(agent))


KAGGLE = """
import json, os, sys
sys.modules["jax"] = None
path = os.path.join(os.getcwd(), "main.py")
env = {}
exec(compile(open(path).read(), path, "exec"), env)
agent = [value for value in env.values() if callable(value)][-1]
for line in sys.stdin:
    print(json.dumps(agent(json.loads(line), None)), flush=True)
"""
"""Executes `main.py` as Kaggle does; there is no JAX."""


def test_the_archive_plays_without_jax_as_the_policy_does(tmp_path):
    policy = trained()
    submission.pack(tmp_path / "submission.tar.gz", policy)
    with tarfile.open(tmp_path / "submission.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    ours = [Team(lambda obs: int(policy.act(obs)), team, 12) for team in range(2)]
    asked, expected = [], []
    for state, *_ in game(0):
        for team in range(2):
            updates, step = lines(state, team), int(state.turn)
            asked.append(json.dumps({"player": team, "step": step, "updates": updates}))
            expected.append(ours[team].commands(parse(updates), step))
    command = [sys.executable, "-c", KAGGLE]
    done = subprocess.run(
        command, cwd=tmp_path, input="\n".join(asked), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert sum(map(len, expected)) > 100
