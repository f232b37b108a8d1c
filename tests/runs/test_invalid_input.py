"""Invalid input of the programs: one line and an exit code; nothing that was saved is lost."""

import os
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from helpers import runner

from jaxdqn.runs import cli, directory, experiment, hardware
from jaxdqn.runs.errors import RunError


def command(monkeypatch, capsys, *options):
    """Exit code, stdout and stderr of a command line that is rejected; runs in this process."""
    monkeypatch.setattr(sys, "argv", ["cartpole.py", *map(str, options)])
    with pytest.raises(SystemExit) as stop:
        cli.main(experiment.EnvArgs, experiment.train)
    out, err = capsys.readouterr()
    return stop.value.code, out, err


NOT_READ = "--config.{} ({}) must not be given: {} on {} does not use it."
INVALID = [
    (["--agnet", "dqn"], "Unrecognized options: --agnet, dqn. Did you mean --agent? See --help."),
    (["--config.gama", 1], "Unrecognized options: --config.gama, 1. Did you mean --config.gamma? "),
    (["--qqqq", 1], "Unrecognized options: --qqqq, 1. See --help."),
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
    (["--seeds", 2**31 - 1], "--seeds (2147483647) must be at most 1,000,000."),
    (
        ["--seeds", 9, "--seed", 2**31 - 4],
        "--seed (2147483644) must be small enough that the last seed (2147483652) is below 2147483648.",
    ),
    (
        ["--config.num-updates", 20_000_000],
        "--config.num-updates (20000000) must be smaller: 6125 iterations would take 122500000000",
    ),
    (["--config.features", *[1] * 65], "--config.features (65) must be at most 64 numbers."),
    (
        ["--agent", "c51", "--config.num-atoms", 2**31 - 1],
        "--config.num-atoms (2147483647) must be at most 1000000.",
    ),
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


def test_a_value_that_is_nearly_right_gets_a_suggestion(monkeypatch, capsys):
    _, _, err = command(monkeypatch, capsys, "--agent", "raindow")
    assert err.endswith("'persistent', 'pqn'). Did you mean rainbow? See --help.\n")


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
    assert runner.files(tmp_path) == {tmp_path / "notes.txt": b"text"}


def test_a_directory_that_cannot_be_written_is_rejected(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path / "file" / "run")
    assert code == 2 and "must be writable; Not a directory" in err and err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"config": 3}'])
def test_an_invalid_config_file_is_an_error(monkeypatch, capsys, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    code, _, err = command(monkeypatch, capsys, "--run-dir", tmp_path, "--resume")
    assert code == 4 and str(tmp_path / "config.json") in err and err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "gigabytes"),
    [("eval-episodes", 5_000_000, 2), ("config.batch-size", 5_000_000, 2)],
)
def test_programs_that_exceed_the_memory_are_rejected_before_the_directory_is_made(
    monkeypatch, capsys, tmp_path, option, value, gigabytes
):
    monkeypatch.setattr(hardware, "_free_bytes", lambda device: gigabytes * 1e9)
    monkeypatch.chdir(tmp_path)
    options = ["--steps", 3_000, "--quiet", "--devices", 1, f"--{option}", value]
    code, out, err = command(monkeypatch, capsys, *options)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(f"error: --{option} ({value}) must be smaller: training takes "), err
    assert not list(tmp_path.iterdir())


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
    assert capsys.readouterr().err == "SIGINT: stopped before training began.\n"


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
