"""The experiment as its users meet it: the command line, the files, the pictures, the pole."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import runner
from PIL import Image

from jaxdqn.runs import cli, directory, experiment
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.hardware import Hardware


def command(monkeypatch, capsys, *options):
    """What a command line that is refused prints and exits with, in this process."""
    monkeypatch.setattr(sys, "argv", ["cartpole.py", *map(str, options)])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.Args, experiment.main)
    out, err = capsys.readouterr()
    return stop.value.code, out, err


MISTAKES = [
    (["--agnet", "dqn"], "Unrecognized options: --agnet"),
    (["--agent", "sarsa"], "invalid choice 'sarsa' for argument '--agent'"),
    (["--steps", "many"], "Error parsing --steps: invalid literal for int() with base 10: 'many'"),
    (["--steps", -5], "--steps (-5) must hold the warm-up and one iteration, at least 1008."),
    (["--steps", 1_007], "--steps (1007) must hold the warm-up and one iteration, at least 1008."),
    (["--seeds", 0], "--seeds (0) must be at least 1."),
    (["--seed", -1], "--seed (-1) must be at least 0."),
    (["--seed", 2**31], "--seed (2147483648) must be at most 2147483647."),
    (["--steps", 10**20], "--steps (100000000000000000000) must be at most 2147483647."),
    (["--eval-episodes", 10**11], "--eval-episodes (100000000000) must be at most 2147483647."),
    (
        ["--config.buffer-size", 8 * 10**10],
        "--config.buffer-size (80000000000) must be at most 2147483647.",
    ),
    (
        ["--config.learning-rate", 1e300],
        "--config.learning-rate (1e+300) must be above 0 and finite, as a float32.",
    ),
    (["--run-dir", ""], "--run-dir () must name a directory of its own."),
    (["--eval-episodes", 0], "--eval-episodes (0) must be at least 1."),
    (["--checkpoint-interval", 0], "--checkpoint-interval (0) must be at least 1."),
    (
        ["--eval-interval", 7],
        "--eval-interval (7) must hold one iteration, num_envs * num_steps (8).",
    ),
    (["--config.num-envs", 0], "--config.num-envs (0) must be at least 1."),
    (["--config.batch-size", -1], "--config.batch-size (-1) must be at least 1."),
    (["--config.n-step", 0], "--config.n-step (0) must be at least 1."),
    (
        ["--config.learning-starts", 42],
        "--config.learning-starts (42) must be a multiple of num_envs (8).",
    ),
    (
        ["--config.buffer-size", 1_001],
        "--config.buffer-size (1001) must be a multiple of num_envs (8).",
    ),
    (
        ["--config.buffer-size", 32, "--config.num-steps", 5],
        "--config.buffer-size (32) must hold one rollout, num_envs * num_steps (40).",
    ),
    (
        ["--config.buffer-size", 32, "--config.n-step", 5],
        "--config.buffer-size (32) must hold num_envs * n_step (40).",
    ),
    (["--config.gamma", 1.5], "--config.gamma (1.5) must lie in [0, 1]."),
    (["--config.gamma", "nan"], "--config.gamma (nan) must lie in [0, 1]."),
    (["--config.epsilon-end", -0.1], "--config.epsilon-end (-0.1) must lie in [0, 1]."),
    (["--config.tau", 0], "--config.tau (0.0) must lie in (0, 1]."),
    (
        ["--config.learning-rate", "inf"],
        "--config.learning-rate (inf) must be above 0 and finite, as a float32.",
    ),
    (["--resume"], "--resume (True) needs --run-dir, the directory to go on in."),
]


@pytest.mark.parametrize(("options", "line"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_line_that_names_option_value_and_rule(
    monkeypatch, capsys, tmp_path, options, line
):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(monkeypatch, capsys, *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {line}") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def files(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "must be new or empty; it holds other files. Add --resume to go on with a run."),
        (["--resume"], "must hold a run; it has no config.json."),
    ],
)
def test_a_directory_of_something_else_is_left_alone(monkeypatch, capsys, tmp_path, options, line):
    (tmp_path / "diary.txt").write_text("mine")
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path, *options)
    assert code == 2 and err == f"error: --run-dir ({tmp_path}) {line}\n"
    assert files(tmp_path) == {tmp_path / "diary.txt": b"mine"}


def test_a_directory_that_cannot_be_written_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path / "file" / "run")
    assert code == 2 and "must be writable; Not a directory" in err and err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"choices": 3}'])
def test_a_config_that_is_no_config_is_damage(monkeypatch, capsys, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path, "--resume")
    assert code == 4 and str(tmp_path / "config.json") in err and err.count("\n") == 1


def test_a_full_memory_or_disk_is_one_line(monkeypatch, capsys):
    def fill(args):
        raise ValueError("RESOURCE_EXHAUSTED: no space left\nand more")

    monkeypatch.setattr(sys, "argv", ["cartpole.py"])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.Args, fill)
    assert stop.value.code == 4
    assert capsys.readouterr().err == "error: ValueError: RESOURCE_EXHAUSTED: no space left\n"


def test_a_signal_before_training_stops_before_anything_is_made(monkeypatch, capsys, tmp_path):
    def interrupted(args):
        os.kill(os.getpid(), signal.SIGINT)
        directory.create(tmp_path / "run", tmp_path, {}, resume=False)

    monkeypatch.setattr(sys, "argv", ["cartpole.py"])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.Args, interrupted)
    assert stop.value.code == 130 and not list(tmp_path.iterdir())
    assert capsys.readouterr().err == "error: SIGINT: stopped before training began.\n"


def test_a_directory_in_use_is_refused(tmp_path):
    with directory.locked(tmp_path):
        with pytest.raises(RunError, match="must not be in use"), directory.locked(tmp_path):
            pass
    with directory.locked(tmp_path):
        pass


def test_new_directories_never_collide(tmp_path):
    found = {directory.create(None, tmp_path, {}, resume=False) for _ in range(5)}
    assert len(found) == 5


def test_help_imports_nothing_heavy():
    script = (
        "import sys, runpy; sys.argv = ['cartpole.py', '--help']\n"
        f"try: runpy.run_path({str(runner.ROOT / 'experiments' / 'cartpole.py')!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'jax', 'flax', 'optax', 'gymnax', 'matplotlib', 'orbax', 'numpy'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=runner.ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("spec", "program"),
    [
        (None, "experiments/cartpole.py"),
        (ModuleSpec("experiments.cartpole", loader=None), "-m experiments.cartpole"),
    ],
)
def test_the_resume_command_repeats_program_and_choices(monkeypatch, spec, program):
    """Python's `-m` puts the module's file in the place of its name."""
    words = [
        "experiments/cartpole.py",
        "--seeds",
        "2",
        "--run-dir",
        "old place",
        "--config.gamma=0.9",
        "--resume",
    ]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    found = cli.resume_command(Path("new place"))
    choices = "--seeds 2 --config.gamma=0.9 --run-dir 'new place' --resume"
    assert found == f"python {program} {choices}"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small run of three seeds, from 7 on, in a process of its own."""
    run_dir = tmp_path_factory.mktemp("small") / "run"
    options = [*runner.SMALL, "--seeds", 3, "--seed", 7, "--run-dir", run_dir]
    code, out, err = runner.run("cartpole.py", *options)
    assert code == 0, err
    return run_dir, out, err


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_leaves_all_its_files_and_says_where(small):
    run_dir, out, err = small
    expected = {
        "config.json", "metrics.jsonl", "result.json", "curve.png", "policy.gif",
        "checkpoints", "policy", "tensorboard",
    }  # fmt: skip
    assert {path.name for path in run_dir.iterdir()} == expected
    policy = {path.name for path in (run_dir / "policy").iterdir()}
    assert policy == {"policy.npz", "policy.stablehlo"}
    assert f"\nRun directory: {run_dir}\n" in out and f"{run_dir / 'curve.png'}" in out
    assert "Seed 9: greedy return" in out and "return: training" in err
    config = json.loads((run_dir / "config.json").read_text())
    assert config["choices"]["config"]["gamma"] == 0.996 and config["choices"]["seed"] == 7
    assert {"jax", "python", "device"} <= config["versions"].keys() and "git" in config
    with Image.open(run_dir / "policy.gif") as film, Image.open(run_dir / "curve.png") as curve:
        assert getattr(film, "n_frames", 1) >= 4 and curve.size[0] > 500


@pytest.mark.slow
def test_a_seed_alone_gives_the_numbers_it_gives_among_others(small, tmp_path):
    options = [*runner.SMALL, "--seed", 8, "--quiet", "--run-dir", tmp_path / "run"]
    code, out, err = runner.run("cartpole.py", *options)
    assert (code, out, err) == (0, "", "")
    vmap_size, alone = lines(small[0]), lines(tmp_path / "run")
    for name in ("loss", "train_return", "eval_return"):
        assert [line[name][1] for line in vmap_size] == [line[name][0] for line in alone]


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_and_resumed_in_a_new_process_equals_one_never_stopped(
    small, tmp_path, signal_number
):
    """To the bit: every line of metrics, every byte of every saved array."""
    run_dir = tmp_path / "run"
    options = [*runner.SMALL, "--seeds", 3, "--seed", 7, "--run-dir", run_dir, "--quiet"]
    process = runner.start("cartpole.py", *options)
    while not (run_dir / "metrics.jsonl").exists() or not lines(run_dir):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal_number)
    code, _, err = runner.finish(process)
    assert code == 128 + signal_number and err.count("\n") == 1
    assert "Go on with: python" in err and len(lines(run_dir)) < len(lines(small[0]))
    code, _, err = runner.run("cartpole.py", *options, "--resume")
    assert code == 0, err
    assert lines(run_dir) == lines(small[0])
    assert saved_arrays(run_dir) == saved_arrays(small[0])
    results = [json.loads((d / "result.json").read_text()) for d in (run_dir, small[0])]
    assert [r.pop("seconds").keys() for r in results] and results[0] == results[1]


@pytest.mark.slow
def test_the_command_that_a_stopped_module_prints_goes_on(tmp_path):
    run_dir = tmp_path / "run"
    words = ["-m", "experiments.cartpole", *runner.SMALL, "--run-dir", run_dir, "--quiet"]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=runner.ROOT, stderr=subprocess.PIPE, text=True
    )
    while not (run_dir / "metrics.jsonl").exists() or not lines(run_dir):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, _, err = runner.finish(process)
    python, *words = shlex.split(err.split("Go on with: ")[1])
    assert (python, words[:2]) == ("python", ["-m", "experiments.cartpole"])
    subprocess.run([sys.executable, *words], cwd=runner.ROOT, check=True)
    assert (run_dir / "result.json").exists()


def test_parts_of_a_member_lie_in_the_order_of_its_devices():
    """So a run in parts keeps to their number; any other may move."""
    for data_shards, moves in ((1, True), (2, False)):
        chosen = [
            experiment.choices(
                experiment.Args(hardware=Hardware(devices=n, data_shards=data_shards))
            )
            for n in (2, 4)
        ]
        assert (chosen[0] == chosen[1]) == moves


def saved_arrays(run_dir):
    """The bytes of each leaf of the newest checkpoint."""
    from orbax.checkpoint import v1 as ocp

    newest = max((run_dir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of loading without a template, on purpose.
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
def test_resuming_with_other_choices_names_the_difference(small):
    run_dir, _, _ = small
    before = files(run_dir)
    options = [*runner.SMALL, "--seeds", 2, "--seed", 7, "--config.gamma", 0.9]
    code, out, err = runner.run("cartpole.py", *options, "--run-dir", run_dir, "--resume")
    rule = f"--config.gamma (0.9) must be 0.996, --seeds (2) must be 3, as in the run at {run_dir}."
    assert (code, out, err) == (2, "", f"error: {rule}\n")
    assert files(run_dir) == before


@pytest.mark.slow
def test_watching_plays_in_both_worlds(small):
    code, out, err = runner.run("watch.py", small[0], "--episodes", 20)
    assert code == 0, err
    assert out.startswith("gymnax: return ") and "\nGymnasium: return " in out


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dqn", "double", "dueling"])
def test_cartpole_is_solved(tmp_path, agent):
    """At a fifth of the default budget, by one of three seeds at least: 475, CartPole's own mark."""
    run_dir = tmp_path / "run"
    options = ["--steps", 20_000, "--seeds", 3, "--agent", agent, "--eval-interval", 19_000]
    code, _, err = runner.run("cartpole.py", *options, "--quiet", "--run-dir", run_dir)
    assert code == 0, err
    final = json.loads((run_dir / "result.json").read_text())["final_return"]
    assert max(final) >= 475, final
