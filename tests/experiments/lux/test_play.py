"""Games in the official engine: against nobody and the example agent, with a replay; other policies are refused."""

import json
from pathlib import Path

import pytest

import jaxdqn
from experiments.lux import play, replay
from jaxdqn import recipes
from jaxdqn.config import ConfigError
from jaxdqn.envs.lux import maps
from jaxdqn.runs.trained import TrainedPolicy


@pytest.mark.parametrize(
    ("env", "size", "line"),
    [
        (
            "Breakout-MinAtar",
            None,
            r"run_dir \(runs\) must be the run of a training with --env lux",
        ),
        ("lux", 16, r"size \(16\) must be 12, the size of the maps on which the policy was"),
        ("lux-16", 12, r"size \(12\) must be 16, the size of"),
    ],
)
def test_a_policy_of_another_environment_or_size_is_refused(monkeypatch, env, size, line):
    policy = TrainedPolicy(recipes.find(env, "pqn"), 0, {})
    monkeypatch.setattr(jaxdqn, "load", lambda *given: policy)
    with pytest.raises(ConfigError, match=line):
        play.load("runs", size=size)


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_a_probability_out_of_range_is_refused(tmp_path, epsilon):
    with pytest.raises(ConfigError, match=r"epsilon \(.*\) must lie in \[0, 1\]"):
        play.main(play.Args(tmp_path, epsilon=epsilon))


@pytest.mark.parametrize("option", [{"opponents": ()}, {"replay": Path()}])
def test_no_opponent_and_a_directory_for_the_replay_are_refused(tmp_path, option):
    (name,) = option
    with pytest.raises(ConfigError, match=f"{name} .* must"):
        play.main(play.Args(tmp_path, **option))


@pytest.mark.parametrize("size", maps.SIZES)
def test_training_maps_are_not_played(size):
    trained_on = maps.load(size, "train").seed.tolist()
    first, last = trained_on[0], trained_on[-1]
    assert trained_on == list(range(first, last + 1))
    assert play.map_seeds(first - 3, 3, size) == range(first - 3, first)
    assert play.map_seeds(last + 1, 2, size)[0] == last + 1
    for start, count in [(first - 3, 4), (last, 1), (0, 3_000)]:
        with pytest.raises(ConfigError, match=rf"first_map \({start}\) must keep the {count} maps"):
            play.map_seeds(start, count, size)
    default = play.Args(Path())
    assert play.map_seeds(default.first_map, default.maps, size) == range(2000, 2100)


@pytest.mark.parametrize(
    ("first", "count", "line"),
    [(-1, 1, r"first_map \(-1\) must be at least 0"), (0, 0, r"maps \(0\) must be at least 1")],
)
def test_maps_outside_their_range_are_refused(first, count, line):
    with pytest.raises(ConfigError, match=line):
        play.map_seeds(first, count, 12)


@pytest.mark.slow
def test_the_example_agent_beats_nobody_and_the_replay_holds_the_game(lux, tmp_path):
    seed = int(maps.load(12, "test").seed[0])
    game = play.play(lux, seed, 12, (play.nobody, play.example(1)))
    # Without commands the only city of a team burns in the first night.
    assert game.tiles[0] == 0 and game.tiles[1] + game.units[1] > 0
    assert 40 <= len(game.commands) <= 360
    assert not any(ours for ours, _ in game.commands) and any(theirs for _, theirs in game.commands)

    replay.write(tmp_path / "a.json", replay.environment(seed, 12, ("a", "b"), game.commands))
    found = json.loads((tmp_path / "a.json").read_text())
    assert len(found["steps"]) == len(game.commands) + 1
