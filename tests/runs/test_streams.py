"""Standard streams that are closed or full, signals at the start and the end, and environment variables."""

import os
import subprocess
import sys

import pytest
from helpers import runner

from jaxdqn.runs import streams

INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *args):
        if name == "flax":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
import runpy
sys.argv = [{script!r}]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ENDING = """
import atexit, os, signal, sys
sys.argv = [{script!r}, "--help"]
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def python(code, **options):
    command = [
        sys.executable,
        "-c",
        code.format(script=str(runner.ROOT / "experiments" / "train.py")),
    ]
    return subprocess.run(command, cwd=runner.ROOT, capture_output=True, text=True, **options)


def test_sigint_during_the_imports_is_one_line():
    done = python(INTERRUPTED)
    assert (done.returncode, done.stderr) == (130, "SIGINT: stopped before training began.\n")


def test_sigint_after_the_end_changes_nothing():
    done = python(ENDING)
    assert (done.returncode, done.stderr) == (0, "") and "--seeds" in done.stdout


def test_a_full_or_closed_stream_is_replaced(tmp_path):
    for file in (open("/dev/full", "w"), open(tmp_path / "closed", "w")):
        if "closed" in file.name:
            file.close()
        lasting = streams.Lasting(file)
        for _ in range(3):
            print("text" * 10_000, file=lasting, flush=True)
    assert streams.Lasting(None).write("text") == 4


def test_a_stream_that_is_full_is_replaced_for_libraries_in_c_too():
    code = (
        "import os, sys\nfrom jaxdqn.runs import streams\n"
        "sys.stdout = open('/dev/full', 'w')\nfd = sys.stdout.fileno()\n"
        "with streams.lasting():\n"
        "    print('text', flush=True)\n"
        "    os.write(fd, b'text')\n"
    )
    done = python(code.replace("{", "{{").replace("}", "}}"))
    assert (done.returncode, done.stderr) == (0, "")


SMALL = (*runner.SMALL, "--config.features", 8)


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["2>&1 | head -1", ">/dev/full 2>&1", ">&- 2>&-", "2>&-"])
def test_a_run_outlasts_its_streams(tmp_path, redirection):
    script = runner.ROOT / "experiments" / "train.py"
    options = " ".join(map(str, SMALL))
    command = f"{sys.executable} {script} {options} --run-dir {tmp_path / 'run'}; echo $? > {tmp_path / 'code'}"
    environment = os.environ | {"PYTHONPATH": str(runner.ROOT)}
    subprocess.run(["bash", "-c", f"( {command} ) {redirection}"], env=environment, check=True)
    assert (tmp_path / "code").read_text() == "0\n"
    assert (tmp_path / "run" / "result.json").exists()
    assert (tmp_path / "run" / "policy.gif").exists()


@pytest.mark.slow
def test_environment_variables_do_not_change_a_run(tmp_path):
    """Of JAX's types and their promotion, of matplotlib's backend; without a home directory."""
    lines = []
    changed = {
        "JAX_ENABLE_X64": "1",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "MPLBACKEND": "module://no_such_backend",
        "HOME": str(tmp_path / "file" / "home"),
    }
    (tmp_path / "file").write_text("")
    for name, more in (("plain", {}), ("changed", changed)):
        command = [sys.executable, runner.ROOT / "experiments" / "train.py", *SMALL, "--quiet"]
        done = subprocess.run(
            [*map(str, command), "--run-dir", str(tmp_path / name)],
            env=os.environ | {"PYTHONPATH": str(runner.ROOT)} | more,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines.append((tmp_path / name / "metrics.jsonl").read_text())
    assert lines[0] == lines[1]


@pytest.mark.parametrize("platform", ["cuda", "cudda"])
def test_a_platform_that_cannot_be_used_is_one_line(tmp_path, platform):
    done = subprocess.run(
        [sys.executable, "-m", "jaxdqn", "--run-dir", str(tmp_path / "run")],
        cwd=runner.ROOT,
        env=os.environ | {"JAX_PLATFORMS": platform},
        capture_output=True,
        text=True,
    )
    rule = f"error: JAX_PLATFORMS ({platform}) must name platforms that JAX can use here, such as "
    if done.returncode or platform == "cudda":
        assert done.returncode == 2 and done.stderr.startswith(rule)
        assert done.stderr.count("\n") == 1 and not (tmp_path / "run").exists()
