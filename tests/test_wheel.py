"""The wheel holds all that runs, and runs where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
import runner

PACKAGES = "jaxdqn", "experiments"


def run(*command, **kwargs):
    """Its output; fails with what the command says where it fails."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since building leaves files behind; nothing is downloaded."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(runner.ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(runner.ROOT / name, source)
    run("-m", "build", "--no-isolation", "--outdir", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    modules = {
        str(path.relative_to(runner.ROOT))
        for name in PACKAGES
        for path in (runner.ROOT / name).rglob("*.py")
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == modules | {"jaxdqn/py.typed"}


@pytest.mark.slow
def test_the_wheel_alone_trains(wheel, tmp_path):
    """Beside the packages it depends on, which are those of this environment."""
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", installed, wheel)
    there = {
        "cwd": elsewhere,
        "env": os.environ | {"PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"},
    }
    files = run(
        "-c", "import jaxdqn, experiments; print(jaxdqn.__file__, experiments.__file__)", **there
    )
    assert files.split() == [str(installed / name / "__init__.py") for name in PACKAGES]
    run("-m", "experiments.cartpole", *runner.SMALL, "--quiet", "--run-dir", "run", **there)
    assert json.loads((elsewhere / "run" / "result.json").read_text())["world_steps"] == 3_000
    config = json.loads((elsewhere / "run" / "config.json").read_text())
    assert config["versions"]["jaxdqn"] == metadata.version("jaxdqn")
