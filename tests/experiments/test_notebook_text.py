"""The notebooks in English and Korean as files: equal code, no outputs, their links, their installation."""

import ast
import re
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
from helpers import runner
from helpers.notebooks import ENGLISH, KOREAN, each_language, read, source
from IPython.core.inputtransformer2 import TransformerManager


def page(path):
    """The notebook on Colab, from the repository that the notebook installs."""
    (repository,) = re.findall(r'SOURCE = "https://github\.com/(.*?)"', source(path, "parameters"))
    return (
        f"https://colab.research.google.com/github/{repository}/blob/main/experiments/{path.name}"
    )


def badges(text):
    return re.findall(r"\[!\[Open in Colab\]\(.*?\)\]\((.*?)\)", text)


def program(source):
    """The syntax tree of a code cell without comments and docstrings."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def test_both_notebooks_have_the_same_code():
    english, korean = read(ENGLISH), read(KOREAN)
    assert [(c.id, c.cell_type, c.metadata) for c in english.cells] == [
        (c.id, c.cell_type, c.metadata) for c in korean.cells
    ]
    for one, other in zip(english.cells, korean.cells, strict=True):
        if one.cell_type == "code":
            assert program(one.source) == program(other.source), one.id
        else:  # formulas and blocks of code
            blocks = re.compile(r"\$\$.*?\$\$|```.*?```", re.DOTALL)
            assert blocks.findall(one.source) == blocks.findall(other.source), one.id


@each_language
def test_the_notebook_is_stored_without_outputs(path):
    for c in read(path).cells:
        if c.cell_type == "code":
            assert c.outputs == [] and c.execution_count is None, c.id


@each_language
def test_the_only_absolute_paths_are_those_of_colab(path):
    found = re.findall(r"""(?<=["'\s(`=])/\w[\w/]*|[A-Z]:\\\\""", path.read_text())
    assert set(found) == {"/content/drive", "/content/drive/MyDrive/jaxdqn"}


@each_language
def test_the_badge_opens_the_notebook_of_the_installed_repository(path):
    assert badges(source(path, "title")) == [page(path)]
    other = KOREAN if path == ENGLISH else ENGLISH
    assert f"]({page(other)})" in source(path, "title")


def test_the_readme_has_the_badge_of_the_english_notebook():
    found = badges((runner.ROOT / "README.md").read_text())
    assert page(ENGLISH) in found and set(found) <= {page(ENGLISH), page(KOREAN)}


@pytest.fixture
def install(monkeypatch, capsys):
    """`(path, source, ...) -> (words of pip, line)`: the cell that installs, with a pip that has the given result."""

    def execute(path, origin, code=0, errors=""):
        words, installed = [], []

        def run(command, **options):
            words.extend(command)
            installed.append(code == 0)
            return SimpleNamespace(returncode=code, stderr=errors)

        def version(name):
            if not any(installed):
                raise metadata.PackageNotFoundError(name)
            return "1.2.3"

        with monkeypatch.context() as patch:
            patch.setattr("subprocess.run", run)
            patch.setattr(metadata, "version", version)
            try:
                exec(source(path, "install"), {"SOURCE": origin})
            except SystemExit as stop:
                return words, str(stop)
            return words, capsys.readouterr().out

    return execute


PIP = [sys.executable, "-m", "pip", "install", "--quiet"]
"""Neither `-U` nor `jax[cuda]`, which would replace the jax of Colab."""


@each_language
def test_a_repository_a_checkout_or_a_wheel_is_installed(path, install, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = "https://github.com/someone/fork"
    wheel = "jaxdqn-0.1.0-py3-none-any.whl"
    packages = {address: f"git+{address}", ".": str(tmp_path), wheel: str(tmp_path / wheel)}
    for origin, package in packages.items():
        words, line = install(path, origin)
        assert words == [*PIP, package]
        assert line == f"jaxdqn 1.2.3 was installed from {origin}.\n"


@each_language
@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ("  error: x\n  fatal: no host\nERROR: Failed", "fatal: no host"),
        ("WARNING: x\nERROR: not installable\n", "ERROR: not installable"),
        ("", "pip failed"),
    ],
)
def test_a_source_that_cannot_be_installed_is_one_message(path, install, errors, reason):
    _, message = install(path, "there/is/nothing", code=1, errors=errors)
    assert message.startswith(f"jaxdqn cannot be installed from there/is/nothing ({reason}). Set ")
    assert "\n" not in message and all(x in message for x in ("repository", "checkout", "wheel"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("https://127.0.0.1:9/jaxdqn", "fatal: unable to access"),
        ("nothing/here", "ERROR: Invalid requirement"),
        ("jaxdqn-0.1.0-py3-none-any.whl", "jaxdqn-0.1.0-py3-none-any.whl"),
        (".", "ERROR: Directory"),
    ],
)
def test_the_reason_is_that_of_pip(tmp_path, monkeypatch, origin, reason):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(SystemExit) as stop:
        exec(source(ENGLISH, "install"), {"SOURCE": origin})
    _, _, found = str(stop.value).partition("(")
    assert reason in found.partition("). Set ")[0] and "pip failed" not in found
