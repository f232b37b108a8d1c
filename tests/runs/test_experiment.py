"""The program `cartpole.py`: command line, files, resumption, and solving CartPole."""

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
from orbax.checkpoint import v1 as ocp
from PIL import Image

from jaxdqn import recipes
from jaxdqn.recipes import classic
from jaxdqn.runs import cli, directory, experiment
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.hardware import Hardware


def command(monkeypatch, capsys, *options):
    """Exit code, stdout and stderr of a command line that is rejected; runs in this process."""
    monkeypatch.setattr(sys, "argv", ["cartpole.py", *map(str, options)])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.EnvArgs, experiment.train)
    out, err = capsys.readouterr()
    return stop.value.code, out, err


NOT_READ = "--config.{} ({}) must not be given: {} on {} does not use it."
INVALID = [
    (["--agnet", "dqn"], "Unrecognized options: --agnet"),
    (["--agent", "sarsa"], "invalid choice 'sarsa' for argument '--agent'"),
    (
        ["--steps", "many"],
        "Error parsing --steps: no type matching {None}|INT could be instantiated",
    ),
    (["--steps", -5], "--steps (-5) must be at least 1."),
    (
        ["--steps", 1_007],
        "--steps (1007) must be at least learning_starts and one iteration (1008).",
    ),
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
    (["--run-dir", ""], "--run-dir () must be a directory other than the current one."),
    (["--eval-episodes", 0], "--eval-episodes (0) must be at least 1."),
    (["--checkpoint-interval", 0], "--checkpoint-interval (0) must be at least 1."),
    (
        ["--eval-interval", 7],
        "--eval-interval (7) must be at least one iteration, num_envs * num_steps (8).",
    ),
    (["--config.num-envs", 0], "--config.num-envs (0) must be at least 1."),
    (["--config.batch-size", -1], "--config.batch-size (-1) must be at least 1."),
    (["--config.n-step", 0], "--config.n-step (0) must be at least 1."),
    (["--agent", "pqn", "--config.n-step", 3], NOT_READ.format("n-step", 3, "pqn", "CartPole-v1")),
    (["--config.num-atoms", 51], NOT_READ.format("num-atoms", 51, "dqn", "CartPole-v1")),
    (["--config.channels", 16], NOT_READ.format("channels", "(16,)", "dqn", "CartPole-v1")),
    (["--agent", "c51", "--config.num-atoms", 1], "--config.num-atoms (1) must be at least 2."),
    (
        ["--agent", "c51", "--config.v-min", 300],
        "--config.v-min (300.0) must be below v_max (250.0).",
    ),
    (["--config.features", 64, 0], "--config.features (0) must be at least 1."),
    (
        ["--agent", "pqn", "--config.num-minibatches", 7],
        "--config.num-minibatches (7) must divide num_envs * num_steps (256).",
    ),
    (
        ["--env", "CartPol-v1"],
        "--env (CartPol-v1) must be a known environment, such as CartPole-v1, ",
    ),
    (["--env", "Pendulum-v1"], "--env (Pendulum-v1) must have discrete actions; its action space"),
    (["--env", "no_module:make"], "--env (no_module:make) must name a module that can be imported"),
    (["--env", "json:make"], "--env (json:make) must name a function of json; there is no make."),
    (
        ["--env", "os:getcwd"],
        "--env (os:getcwd) must be a valid environment: the function must ret",
    ),
    (
        ["--config.buffer-size", 32, "--config.num-steps", 5],
        "--config.buffer-size (32) must hold num_envs * num_steps (40).",
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
    (["--resume"], "--resume (True) must be given with --run-dir, the run to continue."),
]


@pytest.mark.parametrize(("options", "line"), INVALID, ids=lambda value: str(value)[:40])
def test_an_invalid_option_is_one_line_with_option_value_and_rule(
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
        ([], "must be new or empty; it holds other files. Use --resume to continue a run."),
        (["--resume"], "must be the directory of a run; it has no config.json."),
    ],
)
def test_a_directory_with_other_files_is_not_changed(monkeypatch, capsys, tmp_path, options, line):
    (tmp_path / "notes.txt").write_text("text")
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path, *options)
    assert code == 2 and err == f"error: --run-dir ({tmp_path}) {line}\n"
    assert files(tmp_path) == {tmp_path / "notes.txt": b"text"}


def test_a_directory_that_cannot_be_written_is_rejected(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path / "file" / "run")
    assert code == 2 and "must be writable; Not a directory" in err and err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"config": 3}'])
def test_an_invalid_config_file_is_an_error(monkeypatch, capsys, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path, "--resume")
    assert code == 4 and str(tmp_path / "config.json") in err and err.count("\n") == 1


def test_exhausted_memory_or_disk_is_one_line(monkeypatch, capsys):
    def fill(args):
        raise ValueError("RESOURCE_EXHAUSTED: no space left\nmore lines")

    monkeypatch.setattr(sys, "argv", ["cartpole.py"])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.Args, fill)
    assert stop.value.code == 4
    assert capsys.readouterr().err == "error: ValueError: RESOURCE_EXHAUSTED: no space left\n"


def test_a_signal_before_training_creates_nothing(monkeypatch, capsys, tmp_path):
    def interrupted(args):
        os.kill(os.getpid(), signal.SIGINT)
        directory.create(tmp_path / "run", tmp_path, {}, resume=False)

    monkeypatch.setattr(sys, "argv", ["cartpole.py"])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.Args, interrupted)
    assert stop.value.code == 130 and not list(tmp_path.iterdir())
    assert capsys.readouterr().err == "error: SIGINT: stopped before training began.\n"


def test_a_directory_in_use_is_rejected(tmp_path):
    with directory.locked(tmp_path):
        with pytest.raises(RunError, match="must not be in use"), directory.locked(tmp_path):
            pass
    with directory.locked(tmp_path):
        pass


def test_new_directories_have_different_names(tmp_path):
    found = {directory.create(None, tmp_path, {}, resume=False) for _ in range(5)}
    assert len(found) == 5


def test_help_starts_no_backend():
    """Imports alone must not start the backend of JAX, which `hardware.start` configures."""
    script = (
        "import sys, runpy; sys.argv = ['cartpole.py', '--help']\n"
        f"try: runpy.run_path({str(runner.ROOT / 'experiments' / 'cartpole.py')!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'gymnax', 'gymnasium'} & sys.modules.keys()\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=runner.ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("spec", "program"),
    [
        (None, "experiments/cartpole.py"),
        (ModuleSpec("experiments.cartpole", loader=None), "-m experiments.cartpole"),
        (ModuleSpec("jaxdqn.__main__", loader=None), "-m jaxdqn"),
    ],
)
def test_the_resume_command_repeats_program_and_options(monkeypatch, spec, program):
    """With `-m`, `sys.argv[0]` is the file of the module instead of its name."""
    options = ["--seeds", "2", "--run-dir", "old directory", "--config.gamma=0.9", "--resume"]
    monkeypatch.setattr(sys, "argv", ["experiments/cartpole.py", *options])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    command = cli.resume_command(Path("new directory"))
    expected = "--seeds 2 --config.gamma=0.9 --run-dir 'new directory' --resume"
    assert command == f"python {program} {expected}"


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
        "checkpoints", "policy", "tensorboard",
    }  # fmt: skip
    assert {path.name for path in run_dir.iterdir()} == expected
    policy = {path.name for path in (run_dir / "policy").iterdir()}
    assert policy == {"final.npz", "best.npz", "final.stablehlo"}
    assert f"\nRun directory: {run_dir}\n" in out and f"{run_dir / 'curve.png'}" in out
    assert "Seed 9: final evaluation return" in out and "return: training" in err
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
    assert "Continue with: python" in err and len(lines(run_dir)) < len(lines(small[0]))
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


def test_only_a_run_with_data_shards_depends_on_the_number_of_devices():
    """A checkpoint stores the shards of an agent in the order of the devices."""
    for data_shards, independent in ((1, True), (2, False)):
        recipe = recipes.find("CartPole-v1")
        two, four = (
            experiment.run_config(
                recipe, experiment.Args(hardware=Hardware(devices=n, data_shards=data_shards))
            )
            for n in (2, 4)
        )
        assert (two == four) == independent


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
    before = files(run_dir)
    options = [*runner.SMALL, "--seeds", 2, "--seed", 7, "--config.gamma", 0.9]
    code, out, err = runner.run("cartpole.py", *options, "--run-dir", run_dir, "--resume")
    rule = f"--config.gamma (0.9) must be 0.996, --seeds (2) must be 3, as in the run at {run_dir}."
    assert (code, out, err) == (2, "", f"error: {rule}\n")
    assert files(run_dir) == before


@pytest.mark.slow
def test_watching_plays_in_gymnax_and_gymnasium(small):
    code, out, err = runner.run("watch.py", small[0], "--episodes", 20)
    assert code == 0, err
    assert out.startswith("jaxdqn: return ") and "\nGymnasium: return " in out


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
