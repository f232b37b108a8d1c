"""The commit that a run records."""

import re
import subprocess
from pathlib import Path

import pytest

from jaxdqn.runs import versions

ROOT = Path(versions.__file__).parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the checkout has no repository")
def test_the_revision_is_the_commit_of_the_checkout():
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", versions.git_revision() or "")


def test_an_installed_package_has_no_revision_of_the_repository_around_it(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    commit = ["commit", "-q", "--allow-empty", "-m", "another project"]
    subprocess.run(["git", *identity, *commit], cwd=tmp_path, check=True)
    package = tmp_path / "lib" / "site-packages" / "jaxdqn" / "runs"
    package.mkdir(parents=True)
    monkeypatch.setattr(versions, "__file__", str(package / "versions.py"))
    assert versions.git_revision() is None
