"""The code blocks of the READMEs run by themselves, the pages are consistent, and their links exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import runner

PAGES = [path for path in runner.ROOT.rglob("*.md") if ".venv" not in path.parts]
README = (runner.ROOT / "README.md").read_text()


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("block", python_blocks(README), ids=["solves CartPole", "variant"])
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


def test_the_package_page_imports_what_exists():
    (block,) = python_blocks((runner.ROOT / "jaxdqn" / "README.md").read_text())
    exec(block, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(runner.ROOT)))
def test_links_exist_and_pictures_are_small(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        target: Path = page.parent / link
        assert target.exists(), link
        assert target.suffix not in (".png", ".gif") or target.stat().st_size < 300_000, link
