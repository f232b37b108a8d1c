"""The notebooks in English and Korean, executed from top to bottom in a kernel and folder of their own."""

import ast
import base64
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from helpers import runner
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

ENGLISH = runner.ROOT / "experiments" / "cartpole_colab.ipynb"
KOREAN = runner.ROOT / "experiments" / "cartpole_colab.ko.ipynb"
SMALL = {
    "STEPS": 10_600,
    "AGENTS": 4,
    "COMPARED": 2,
    "EVAL_INTERVAL": 96,
    "EVAL_EPISODES": 4,
}
EVALUATIONS = 100
"""9,600 environment steps after learning starts, in chunks of 96: enough time for a kill halfway."""
each_language = pytest.mark.parametrize("path", (ENGLISH, KOREAN), ids=("english", "korean"))


class Executed(NamedTuple):
    """A notebook after its execution with the parameters `SMALL`, and the folder in which it ran."""

    notebook: nbformat.NotebookNode
    folder: Path


def read(path):
    return nbformat.reads(path.read_text(), as_version=4)


def cell(notebook, name):
    (found,) = (cell for cell in notebook.cells if cell.id == name)
    return found


def source(path, name):
    return cell(read(path), name).source


def page(path):
    """The notebook on Colab, from the repository that the notebook installs."""
    (repository,) = re.findall(r'REPOSITORY = "https://github\.com/(.*)"', source(path, "install"))
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


@pytest.fixture(scope="module", params=(ENGLISH, KOREAN), ids=("english", "korean"))
def executed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read(request.param)
    (parameters,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    tree = ast.parse(parameters.source)
    assert SMALL.keys() < {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    parameters.source += "\n" + "\n".join(f"{name} = {value}" for name, value in SMALL.items())
    # A kernel specification for the running interpreter; those of the user are not read.
    kernel = folder / "kernels" / "here" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "here", "language": "python"}))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    manager = AsyncKernelManager(kernel_name="here", kernel_spec_manager=specs)
    client = NotebookClient(
        notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    own = {"IPYTHONDIR": folder / "ipython", "JUPYTER_RUNTIME_DIR": folder / "jupyter"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, str(value))
        patch.setenv("JAX_PLATFORMS", "cpu")
        client.execute(env=dict(os.environ), cleanup_kc=True)
    return Executed(notebook, folder)


def outputs(executed, name):
    return cell(executed.notebook, name).outputs


def printed(executed, name, stream="stdout"):
    found = outputs(executed, name)
    return "".join(o.text for o in found if o.output_type == "stream" and o.name == stream)


def images(executed, name):
    """The images in the output of a cell."""
    data = [o.data for o in outputs(executed, name) if o.output_type == "display_data"]
    found = [d["image/png"] for d in data if "image/png" in d]
    for d in data:
        found += re.findall(r'src="data:image/\w+;base64,([^"]+)"', d.get("text/html", ""))
    return [Image.open(io.BytesIO(base64.b64decode(image))) for image in found]


def rows(executed, name):
    """The metrics of the run in the directory `name`, one row per evaluation."""
    (run_dir,) = (executed.folder / "runs").glob(f"{name}_*")
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_an_installed_package_is_not_installed_again(executed):
    assert re.fullmatch(r"jaxdqn \S+ is installed\.\n", printed(executed, "install"))


@pytest.mark.slow
def test_the_backend_is_printed(executed):
    assert "Accelerator of this machine: " in printed(executed, "backend")
    assert "\nBackend: cpu, " in printed(executed, "backend")


@pytest.mark.slow
def test_the_small_examples_give_the_results_worked_out_by_hand(executed):
    # 1 + 0.5 * 4 - 1; 1 + 0.5 * 6 - 4; 1 - 5, since the third transition is terminal.
    expected = "one:   2.0\nthree: [ 2.  0. -4.]\n"
    assert printed(executed, "concepts") == expected
    # From the last: 1, 1 + 1 / 2, 1 + 1.5 / 2, 1 + 1.75 / 2.
    assert printed(executed, "scan") == "[1.875 1.75  1.5   1.   ]\n"
    # 0.9 * 3 + 0.1 * 2.
    assert float(printed(executed, "own")) == pytest.approx(2.9)


@pytest.mark.slow
def test_one_agent_is_trained_with_a_bar_a_curve_and_an_animation(executed):
    assert "100%" in printed(executed, "one", "stderr")
    assert [len(row["eval_return"]) for row in rows(executed, "one")] == [1] * EVALUATIONS
    (curve,) = images(executed, "one-curve")
    (animation,) = images(executed, "one-animation")
    assert curve.format == "PNG" and curve.size[0] > 500
    assert animation.format == "GIF" and getattr(animation, "n_frames", 1) >= 4


@pytest.mark.slow
def test_many_agents_are_trained_at_once_and_their_spread_is_shown(executed):
    final = [row["eval_return"] for row in rows(executed, "many")][-1]
    assert len(final) == SMALL["AGENTS"] and len(set(final)) > 1
    assert len(images(executed, "many")) == len(images(executed, "spread")) == 1
    assert f"the worst {min(final):.1f}." in printed(executed, "spread")
    # The first of them is the agent of part 1.
    alone = [row["eval_return"][0] for row in rows(executed, "one")]
    assert [row["eval_return"][0] for row in rows(executed, "many")] == alone


@pytest.mark.slow
def test_a_run_is_killed_halfway_after_a_checkpoint(executed):
    numbers = [int(word) for word in re.findall(r"-?\d+", printed(executed, "kill"))]
    exit_code, evaluations, checkpoint, *undisturbed = numbers
    assert exit_code == -9 and EVALUATIONS / 2 <= evaluations < EVALUATIONS
    assert 0 < checkpoint <= evaluations
    assert undisturbed == [0, EVALUATIONS]


@pytest.mark.slow
def test_the_killed_run_resumes_to_the_result_of_the_undisturbed_one(executed):
    assert rows(executed, "killed") == rows(executed, "undisturbed")
    assert len(rows(executed, "killed")) == EVALUATIONS
    assert printed(executed, "resume") == (
        f"Exit code 0\nAll {EVALUATIONS} lines of metrics.jsonl equal, to the last digit: True\n"
    )


@pytest.mark.slow
def test_the_own_target_changes_the_result(executed):
    assert len(images(executed, "compare")) == 1
    default, own = (line.split(": ")[1] for line in printed(executed, "compare").splitlines())
    assert default != own


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
def test_the_jax_of_colab_is_not_replaced(path):
    commands = re.findall(r"(?:!|%)\w+ .*", source(path, "install"))
    assert [command.split()[0] for command in commands] == ["!git", "%pip"]
    assert not any(" -U" in c or "--upgrade" in c or "jax[" in c for c in commands)


@each_language
def test_the_badge_opens_the_notebook_of_the_installed_repository(path):
    assert badges(source(path, "title")) == [page(path)]
    other = KOREAN if path == ENGLISH else ENGLISH
    assert f"]({page(other)})" in source(path, "title")


def test_the_readme_has_the_badge_of_the_english_notebook():
    found = badges((runner.ROOT / "README.md").read_text())
    assert page(ENGLISH) in found and set(found) <= {page(ENGLISH), page(KOREAN)}
