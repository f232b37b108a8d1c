"""The code blocks of the READMEs run by themselves, the pages are consistent, and their links exist."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import runner

from jaxdqn import envs

PAGES = [path for path in runner.ROOT.rglob("*.md") if ".venv" not in path.parts]
README = (runner.ROOT / "README.md").read_text()


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


TRAINING = [block for block in python_blocks(README) if "jaxdqn.load" not in block]


@pytest.mark.slow
@pytest.mark.parametrize("block", TRAINING, ids=["solves CartPole", "variant"])
def test_each_block_runs_in_a_fresh_interpreter_and_solves_cartpole(tmp_path, block):
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) >= 475


def test_the_korean_page_has_the_same_code():
    assert python_blocks((runner.ROOT / "README.ko.md").read_text()) == python_blocks(README)


def test_the_page_is_short_and_has_the_two_commands():
    assert len(README.splitlines()) <= 150
    assert "pip install -e . && python experiments/cartpole.py" in README
    assert 'pip install -e ".[test]" && pytest' in README


PACKAGE = python_blocks((runner.ROOT / "jaxdqn" / "README.md").read_text())


def test_the_package_page_imports_what_exists():
    exec(PACKAGE[0], {})


@pytest.mark.slow
def test_the_own_environment_of_the_package_page_is_learned_from_its_file(tmp_path):
    """The block as it stands, at most 25 lines, and the command below it."""
    code = PACKAGE[1]
    assert len(code.splitlines()) <= 30 and sum(map(bool, code.splitlines())) <= 25
    (tmp_path / "corridor.py").write_text(code)
    command = [sys.executable, "-m", "jaxdqn", "--env", "corridor:make", "--steps", "10000"]
    command += ["--run-dir", "run"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    # From a random cell the exit is 1 to 8 steps away.
    assert result["final_return"][0] > 1 - 0.01 * 7
    assert (tmp_path / "run" / "policy.png").exists()


def test_arguments_of_an_environment_are_those_of_an_own_function():
    module = {}
    exec(PACKAGE[2], module)
    assert envs.check(module["make"]()).shape == (11, 11, 4)


@pytest.mark.slow
def test_the_own_network_of_the_package_page_learns(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PACKAGE[3]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # A random policy has a mean return of 22.
    assert float(done.stdout) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(runner.ROOT)))
def test_links_exist_and_pictures_are_small(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        target: Path = page.parent / link
        assert target.exists(), link
        assert target.suffix not in (".png", ".gif") or target.stat().st_size < 300_000, link
