"""The wheel installs `jaxdqn` alone, and trains without a checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
from helpers import runner

PACKAGE = runner.ROOT / "jaxdqn"


def run(*command, **kwargs):
    """Standard output of a command; fails with all of its output."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since building leaves files behind; nothing is downloaded."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(PACKAGE, source / "jaxdqn", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(runner.ROOT / name, source)
    run("-m", "build", "--no-isolation", "--outdir", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(wheel):
    modules = {str(path.relative_to(runner.ROOT)) for path in PACKAGE.rglob("*.py")}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    page = {str(path.relative_to(runner.ROOT)) for path in (PACKAGE / "runs" / "page").iterdir()}
    assert held == modules | page | {"jaxdqn/py.typed", "jaxdqn/envs/lux/maps.npz"}


@pytest.mark.slow
def test_the_wheel_alone_trains(wheel, tmp_path):
    """With the dependencies of this environment."""
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", installed, wheel)
    there = {
        "cwd": elsewhere,
        "env": os.environ | {"PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"},
    }
    file = run("-c", "import jaxdqn; print(jaxdqn.__file__)", **there)
    assert file.strip() == str(installed / "jaxdqn" / "__init__.py")
    run("-m", "jaxdqn", *runner.SMALL, "--quiet", "--run-dir", "run", **there)
    assert json.loads((elsewhere / "run" / "result.json").read_text())["env_steps"] == 3_000
    assert (elsewhere / "run" / "report.html").stat().st_size > 100_000
    config = json.loads((elsewhere / "run" / "config.json").read_text())
    assert config["versions"]["jaxdqn"] == metadata.version("jaxdqn")
