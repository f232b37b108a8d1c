"""Run directories of a stranger: one line that names the file; no hang, no memory, nothing written elsewhere."""

import json
import os
import re
import resource

import numpy as np
import pytest
from helpers.loop_run import PLAN, files_equal, rows, train
from helpers.report_run import write
from helpers.training import TRAINER
from PIL import Image

from jaxdqn.runs import (
    checkpoint,
    checkpoint_file,
    compilation,
    directory,
    files,
    leaves,
    policy_file,
    render,
    saved,
)
from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.training import population

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of CartPole."""
    run_dir = tmp_path_factory.mktemp("hostile") / "run"
    write(run_dir)
    return run_dir


def refused(function, *args):
    with pytest.raises(RunError) as error:
        function(*args)
    assert error.value.exit_code == DAMAGED and "\n" not in str(error.value)
    return str(error.value)


HUGE = 10**30
INVALID = [
    (("env",), None, r"config.env \(None\) is invalid: Expected `str`, got `null`"),
    (("env",), "CartPol-v1", r"config.env \(CartPol-v1\) must be a known environment"),
    (("agent",), "sarsa", r"config.agent \(sarsa\) must be one of dqn"),
    (("steps",), -1, r"config.steps \(-1\) is invalid: Expected `int` >= 1"),
    (("steps",), HUGE, rf"config.steps \({HUGE}\) is invalid: Expected `int` <= 2147483647"),
    (("seeds",), True, r"config.seeds \(True\) is invalid: Expected `int`, got `bool`"),
    (("obs_scale",), [1.0], r"config.obs_scale \(\[1.0\]\) must be a number or 4 numbers"),
    (("obs_scale",), 1e300, r"config.obs_scale \(1e\+300\) is invalid: Expected `float` < 3e\+38"),
    (("config",), [], r"config.config \(\[\]\) is invalid: Expected `object`, got `array`"),
    (("config", "features"), "x", r"config.config.features \(x\) is invalid: Expected `array`"),
    (("config", "features"), [8, -3], r"config.config.features\[1\] \(-3\) is invalid"),
    (("config", "features"), [1] * 65, r"config.config.features \(65\) must be at most 64 numbers"),
    (("config", "gamma"), 2, r"config.config.gamma \(2.0\) must lie in \[0, 1\]"),
    (("config", "gama"), 1, r"contains unknown field `gama`"),
    (("config", "num_atoms"), 5, r"config.config.num_atoms \(5\) must not be given for dqn"),
]


@pytest.mark.parametrize(("place", "value", "rule"), INVALID, ids=lambda x: str(x)[:30])
def test_a_field_of_the_config_is_named_with_its_value_and_rule(run, tmp_path, place, value, rule):
    found = json.loads((run / "config.json").read_text())
    inner = found["config"]
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    (tmp_path / "config.json").write_text(json.dumps(found))
    line = refused(saved.load_recipe, tmp_path)
    assert line.startswith(f"{tmp_path / 'config.json'}: config") and re.search(rule, line), line


def test_a_hyperparameter_that_is_missing_is_named(run, tmp_path):
    found = json.loads((run / "config.json").read_text())
    del found["config"]["config"]["features"]
    (tmp_path / "config.json").write_text(json.dumps(found))
    rule = "config.config.features (None) must be given for dqn on CartPole-v1."
    assert rule in refused(saved.load_recipe, tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"config":' * 900 + "1" + "}" * 900, "NaN", "\0"])
def test_json_that_is_nested_or_malformed_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    for read in (directory.read_config, saved.load_recipe):
        assert str(tmp_path / "config.json") in refused(read, tmp_path)


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def endless(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    path.touch()
    os.truncate(path, 10**11)


@pytest.mark.parametrize("make", [pipe, folder, endless, sparse])
def test_only_regular_files_of_bounded_size_are_opened(run, tmp_path, make):
    """Opening a pipe would wait for ever, reading zeros would take all memory."""
    make(tmp_path / "config.json")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rule = refused(files.read_bytes, tmp_path / "config.json", 10**6)
    assert "must be a regular file" in rule or "must have at most 1,000,000 bytes" in rule
    refused(directory.read_config, tmp_path)
    recipe, seeds = saved.load_recipe(run)
    (tmp_path / "policy").mkdir()
    (tmp_path / "config.json").rename(tmp_path / "policy" / policy_file.BEST)
    refused(saved.load_policy, tmp_path, saved.network(recipe), seeds, None, policy_file.BEST)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, f"{grown} kB"


@pytest.mark.parametrize("make", [pipe, endless, sparse])
@pytest.mark.parametrize("name", ["_CHECKPOINT_METADATA", "manifest.ocdbt", "_METADATA", "d"])
def test_a_checkpoint_with_another_kind_of_file_is_passed_over(
    undisturbed, tmp_path, capsys, make, name
):
    train(tmp_path)
    (tmp_path / "result.json").unlink()
    found = sorted((tmp_path / "checkpoints" / "3").rglob("*"))
    parent = "d" if name == "d" else None
    file = next(x for x in found if (x.parent.name == parent if parent else x.name == name))
    file.unlink()
    make(file)
    train(tmp_path, resume=True)
    assert "checkpoints/3 cannot be used" in capsys.readouterr().err
    assert rows(tmp_path) == rows(undisturbed[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log[0].update(env_steps="x"),
        lambda log: log[0].update(eval_return=[1.0]),
        lambda log: log[0].update(train_return={}),
        lambda log: log[1].update(chunk=7),
        lambda log: log.pop(),
    ],
)
def test_a_checkpoint_with_invalid_rows_is_passed_over(undisturbed, tmp_path, capsys, change):
    """Its checksum is right: a stranger can compute it too."""
    train(tmp_path)
    log = rows(tmp_path)
    change(log)
    sessions = loop_sessions()
    with checkpoint.Checkpoints(tmp_path / "checkpoints", 3, lambda row: 0.0) as checkpoints:
        _, state, _ = checkpoints.restore(sessions)
        path = tmp_path / "checkpoints" / "3"
        directory.delete(path)
        checkpoint_file.save(path, leaves.on_host(state), log)
    train(tmp_path, resume=True)
    assert "checkpoints/3 cannot be used" in capsys.readouterr().err
    assert rows(tmp_path) == rows(undisturbed[0])


def loop_sessions():
    return compilation.start(lambda _: TRAINER, population.layout(2))(PLAN.agents.keys(), {})


def test_a_checkpoint_moved_to_another_chunk_is_passed_over(undisturbed, tmp_path, capsys):
    train(tmp_path)
    checkpoints = tmp_path / "checkpoints"
    directory.delete(checkpoints / "3")
    (checkpoints / "2").rename(checkpoints / "3")
    with pytest.raises(RunError, match="its rows are those of other chunks"):
        train(tmp_path, resume=True)


LINKED = "metrics.jsonl", "episodes.csv", "curve.png", "result.json", "config.json"


def test_links_and_pipes_are_replaced_and_never_written_through(undisturbed, tmp_path):
    """Also those at the names under which files are written before they are renamed."""
    outside, run_dir = tmp_path / "outside", tmp_path / "run"
    outside.write_text("kept")
    run_dir.mkdir()
    for name in LINKED:
        (run_dir / name).symlink_to(outside)
        (run_dir / f"{name}.partial").symlink_to(outside)
    train(run_dir)
    directory.write_json(run_dir / "config.json", {})
    frames = [Image.fromarray(np.full((4, 4, 3), k, np.uint8)) for k in range(2)]
    for path in (run_dir / "policy.gif", run_dir / "policy.gif.partial"):
        path.symlink_to(outside)
    render.gif(run_dir / "policy.gif", frames)
    assert outside.read_text() == "kept"
    for name in (*LINKED, "policy.gif"):
        assert not (run_dir / name).is_symlink() and (run_dir / name).stat().st_size
    assert files_equal(run_dir, undisturbed[0], "metrics.jsonl")
    os.mkfifo(run_dir / "result.json.partial")
    directory.write_json(run_dir / "result.json", {})


def test_a_link_to_a_directory_elsewhere_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    path = directory.create(tmp_path / "run", tmp_path, {}, resume=False)
    (path / "policy").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match=r"policy must be a directory, not a link\."):
        directory.create(path, tmp_path, {}, resume=True)


def test_episodes_that_are_not_text_are_one_line(tmp_path):
    train(tmp_path)
    (tmp_path / "episodes.csv").write_bytes(b"\xff\xfe")
    assert "episodes.csv must be text in UTF-8" in refused(lambda: train(tmp_path, resume=True))


def test_the_memory_of_a_policy_is_that_of_its_file(run, tmp_path):
    """Headers that match a network of 10^9 units do not allocate it."""
    _, seeds = saved.load_recipe(run)
    found = json.loads((run / "config.json").read_text())
    found["config"]["config"]["features"] = [10**9]
    (tmp_path / "config.json").write_text(json.dumps(found))
    huge, _ = saved.load_recipe(tmp_path)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "best.npz").write_bytes((run / "policy" / "best.npz").read_bytes())
    rule = refused(saved.load_policy, tmp_path, saved.network(huge), seeds, None, "best.npz")
    assert "its arrays take" in rule
