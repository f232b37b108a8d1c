"""The programs `cartpole.py` and `watch.py`: files, resumption, and solving CartPole."""

import json
import shlex
import signal
import subprocess
import sys
import time
import warnings

import jax
import numpy as np
import pytest
from helpers import runner
from orbax.checkpoint import v1 as ocp
from PIL import Image

from jaxdqn import recipes
from jaxdqn.recipes import classic
from jaxdqn.runs import directory, experiment
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.hardware import Hardware


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small run of the seeds 7, 8 and 9, in a separate process: directory, stdout and stderr."""
    run_dir = tmp_path_factory.mktemp("small") / "run"
    options = [*runner.SMALL, "--seeds", 3, "--seed", 7, "--run-dir", run_dir]
    code, out, err = runner.run("cartpole.py", *options)
    assert code == 0, err
    return run_dir, out, err


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_writes_all_files_and_prints_their_paths(small):
    run_dir, out, err = small
    expected = {
        "config.json", "metrics.jsonl", "episodes.csv", "result.json", "curve.png", "policy.gif",
        "report.html", "checkpoints", "policy", "tensorboard",
    }  # fmt: skip
    assert {path.name for path in run_dir.iterdir()} == expected
    policy = {path.name for path in (run_dir / "policy").iterdir()}
    # (3000 - 1000) / 8 = 250 iterations: chunks of 50, snapshots after chunks 1, 2 and 4.
    snapshots = {f"{1000 + 8 * 50 * chunk}-steps.npz" for chunk in (1, 2, 4)}
    assert policy == {"final.npz", "best.npz", "final.stablehlo"} | snapshots
    assert f"\nRun directory: {run_dir}\n" in out
    assert f"\nResults: {run_dir / 'report.html'}, curve.png, policy.gif.\n" in out
    assert "\nfinal  " in out and "\nSolved: 0 of 3 seeds" in out
    assert "compiling ...\n" in err and " left, return " in err and ", evaluation " in err
    config = json.loads((run_dir / "config.json").read_text())
    assert config["config"]["config"]["gamma"] == 0.996 and config["config"]["seed"] == 7
    assert {"jax", "python", "device"} <= config["versions"].keys() and "git" in config
    with (
        Image.open(run_dir / "policy.gif") as animation,
        Image.open(run_dir / "curve.png") as curve,
    ):
        assert getattr(animation, "n_frames", 1) >= 4 and curve.size[0] > 500


@pytest.mark.slow
def test_a_seed_alone_equals_the_seed_among_others(small, tmp_path):
    options = [*runner.SMALL, "--seed", 8, "--quiet", "--run-dir", tmp_path / "run"]
    code, out, err = runner.run("cartpole.py", *options)
    assert (code, out, err) == (0, "", "")
    together, alone = lines(small[0]), lines(tmp_path / "run")
    for name in ("loss", "train_return", "eval_return"):
        assert [line[name][1] for line in together] == [line[name][0] for line in alone]


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_and_resumed_in_a_new_process_equals_an_undisturbed_one(
    small, tmp_path, signal_number
):
    """Bit-identical metrics, checkpoint and result."""
    run_dir = tmp_path / "run"
    options = [*runner.SMALL, "--seeds", 3, "--seed", 7, "--run-dir", run_dir, "--quiet"]
    process = runner.start("cartpole.py", *options)
    while not (run_dir / "metrics.jsonl").exists() or not lines(run_dir):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal_number)
    code, _, err = runner.finish(process)
    assert code == 128 + signal_number and err.count("\n") == 1
    assert err.startswith(signal.Signals(signal_number).name) and "Continue with: python" in err
    assert len(lines(run_dir)) < len(lines(small[0]))
    code, _, err = runner.run("cartpole.py", *options, "--resume")
    assert code == 0, err
    assert lines(run_dir) == lines(small[0])
    assert saved_arrays(run_dir) == saved_arrays(small[0])
    results = [json.loads((d / "result.json").read_text()) for d in (run_dir, small[0])]
    assert [r.pop("seconds").keys() for r in results] and results[0] == results[1]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["experiments.cartpole", "jaxdqn"])
def test_the_resume_command_of_a_module_works(tmp_path, module):
    run_dir = tmp_path / "run"
    words = ["-m", module, *runner.SMALL, "--run-dir", run_dir, "--quiet"]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=runner.ROOT, stderr=subprocess.PIPE, text=True
    )
    while not (run_dir / "metrics.jsonl").exists() or not lines(run_dir):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, _, err = runner.finish(process)
    python, *words = shlex.split(err.split("Continue with: ")[1])
    assert (python, words[:2]) == ("python", ["-m", module])
    subprocess.run([sys.executable, *words], cwd=runner.ROOT, check=True)
    assert (run_dir / "result.json").exists()


def test_a_run_depends_on_threads_but_not_on_the_number_of_devices():
    recipe = recipes.find("CartPole-v1")
    one, other, more_threads = (
        experiment.run_config(recipe, experiment.Args(hardware=given))
        for given in (Hardware(devices=2), Hardware(devices=4), Hardware(threads=2))
    )
    assert one == other != more_threads


def saved_arrays(run_dir):
    """The bytes of each leaf of the newest checkpoint."""
    newest = max((run_dir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Orbax warns of loading without a template.
        leaves = ocp.load(newest)

    def flatten(tree, name=""):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in items:
            if isinstance(value, dict | list | tuple):
                yield from flatten(value, f"{name}.{key}")
            elif value is not None:
                if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
                    value = jax.random.key_data(value)
                yield f"{name}.{key}", np.asarray(value).tobytes()

    found = dict(flatten(leaves))
    assert len(found) > 20
    return found


@pytest.mark.slow
def test_resuming_with_other_options_names_the_differences(small):
    run_dir, _, _ = small
    before = runner.files(run_dir)
    options = [*runner.SMALL, "--seeds", 2, "--seed", 7, "--config.gamma", 0.9]
    code, out, err = runner.run("cartpole.py", *options, "--run-dir", run_dir, "--resume")
    rule = f"--config.gamma (0.9) must be 0.996, --seeds (2) must be 3, as in the run at {run_dir}."
    assert (code, out, err) == (2, "", f"error: {rule}\n")
    assert runner.files(run_dir) == before


def test_resuming_a_run_with_an_option_of_another_version_names_it(tmp_path):
    run_dir = directory.create(
        tmp_path / "run", tmp_path, {"seed": 0, "data_shards": 1}, resume=False
    )
    rule = "must be a run of this program and version, which have no data_shards."
    with pytest.raises(RunError, match=rf"^--run-dir \({run_dir}\) {rule}$"):
        directory.check(run_dir, {"seed": 0}, resume=True)
    # Options that differ come first: they may be why the run has others.
    with pytest.raises(RunError, match=r"^--seed \(1\) must be 0, as in the run"):
        directory.check(run_dir, {"seed": 1}, resume=True)


@pytest.mark.slow
def test_watching_plays_in_gymnax_and_gymnasium(small):
    code, out, err = runner.run("watch.py", small[0], "--episodes", 20)
    assert code == 0, err
    assert "\njaxdqn: return " in out and "\nGymnasium: return " in out


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dqn", "double", "dueling"])
def test_cartpole_is_solved(tmp_path, agent):
    """With 20,000 of the default 50,000 steps, by at least one of three seeds."""
    run_dir = tmp_path / "run"
    options = ["--steps", 20_000, "--seeds", 3, "--agent", agent, "--eval-interval", 19_000]
    code, _, err = runner.run("cartpole.py", *options, "--quiet", "--run-dir", run_dir)
    assert code == 0, err
    final = json.loads((run_dir / "result.json").read_text())["final_return"]
    assert max(final) >= classic.SOLVED, final
