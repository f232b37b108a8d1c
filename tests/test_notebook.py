"""The notebook as its readers meet it: from top to bottom, in a kernel and a folder of its own."""

import ast
import base64
import io
import json
import os
import re
import sys

import nbformat
import pytest
import runner
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

PATH = runner.ROOT / "experiments" / "cartpole_colab.ipynb"
TEXT = PATH.read_text()
SMALL = {
    "STEPS": 10_600,
    "MEMBERS": 4,
    "COMPARED": 2,
    "CHUNK_STEPS": 96,
    "EVAL_EPISODES": 4,
}
EVALUATIONS = 100
"""9,600 steps after the warm-up, in chunks of 96: time enough to kill it halfway."""


def read():
    return nbformat.reads(TEXT, as_version=4)


def parameters(notebook):
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    return cell


def source(name):
    (cell,) = (cell for cell in read().cells if cell.id == name)
    return cell.source


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after it ran with `SMALL` numbers, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    cell = parameters(notebook)
    names = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
    assert SMALL.keys() < names
    cell.source += "\n" + "\n".join(f"{name} = {value}" for name, value in SMALL.items())
    # The running interpreter, whatever kernels its user has: they are not asked.
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
    return notebook, folder


def outputs(executed, name):
    (cell,) = (cell for cell in executed[0].cells if cell.id == name)
    return cell.outputs


def printed(executed, name, stream="stdout"):
    found = outputs(executed, name)
    return "".join(o.text for o in found if o.output_type == "stream" and o.name == stream)


def pictures(executed, name):
    """The images in what a cell shows."""
    data = [o.data for o in outputs(executed, name) if o.output_type == "display_data"]
    found = [d["image/png"] for d in data if "image/png" in d]
    for d in data:
        found += re.findall(r'src="data:image/\w+;base64,([^"]+)"', d.get("text/html", ""))
    return [Image.open(io.BytesIO(base64.b64decode(image))) for image in found]


def run_dir(executed, name):
    (path,) = (executed[1] / "runs").glob(f"{name}_*")
    return path


def rows(executed, name):
    lines = (run_dir(executed, name) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_what_is_installed_is_not_installed_again(executed):
    assert re.fullmatch(r"jaxdqn \S+ is installed\.\n", printed(executed, "install"))


@pytest.mark.slow
def test_it_says_what_jax_computes_on(executed):
    assert "Accelerator of this machine: " in printed(executed, "backend")
    assert "\nBackend: cpu, " in printed(executed, "backend")


@pytest.mark.slow
def test_the_small_examples_give_what_is_worked_out_by_hand(executed):
    # 1 + 0.5 * 4 - 1; 1 + 0.5 * 6 - 4; 1 - 5, since the third state is terminal.
    expected = "one:   2.0\nthree: [ 2.  0. -4.]\n"
    assert printed(executed, "ideas-code") == expected
    # From the last: 1, 1 + 1 / 2, 1 + 1.5 / 2, 1 + 1.75 / 2.
    assert printed(executed, "scan-code") == "[1.875 1.75  1.5   1.   ]\n"
    # 0.9 * 3 + 0.1 * 2.
    assert float(printed(executed, "own")) == pytest.approx(2.9)


@pytest.mark.slow
def test_one_agent_is_trained_with_a_bar_a_curve_and_a_film(executed):
    assert "100%" in printed(executed, "one", "stderr")
    assert [len(row["greedy_return"]) for row in rows(executed, "one")] == [1] * EVALUATIONS
    (curve,) = pictures(executed, "one-curve")
    (film,) = pictures(executed, "one-film")
    assert curve.format == "PNG" and curve.size[0] > 500
    assert film.format == "GIF" and getattr(film, "n_frames", 1) >= 4


@pytest.mark.slow
def test_many_are_trained_at_once_and_their_spread_is_shown(executed):
    final = [row["greedy_return"] for row in rows(executed, "many")][-1]
    assert len(final) == SMALL["MEMBERS"] and len(set(final)) > 1
    assert len(pictures(executed, "many")) == len(pictures(executed, "spread")) == 1
    assert f"the worst {min(final):.1f}." in printed(executed, "spread")
    # The first of them is the one that was trained alone.
    alone = [row["greedy_return"][0] for row in rows(executed, "one")]
    assert [row["greedy_return"][0] for row in rows(executed, "many")] == alone


@pytest.mark.slow
def test_the_killed_run_was_killed_halfway_and_resumed_from_a_checkpoint(executed):
    numbers = [int(word) for word in re.findall(r"-?\d+", printed(executed, "kill"))]
    exit_code, evaluations, checkpoint, *undisturbed = numbers
    assert exit_code == -9 and EVALUATIONS / 2 <= evaluations < EVALUATIONS
    assert 0 < checkpoint <= evaluations
    assert undisturbed == [0, EVALUATIONS]


@pytest.mark.slow
def test_the_killed_run_ends_like_the_one_nobody_killed(executed):
    assert rows(executed, "killed") == rows(executed, "undisturbed")
    assert len(rows(executed, "killed")) == EVALUATIONS
    assert printed(executed, "resume") == (
        f"Exit code 0\nAll {EVALUATIONS} lines of metrics.jsonl equal, to the last digit: True\n"
    )


@pytest.mark.slow
def test_a_target_of_ones_own_changes_what_is_learnt(executed):
    assert len(pictures(executed, "compare")) == 1
    default, own = (line.split(": ")[1] for line in printed(executed, "compare").splitlines())
    assert default != own


def test_the_notebook_is_kept_without_outputs():
    for cell in read().cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, cell.id


def test_it_names_no_folder_of_anybodys_machine():
    found = re.findall(r"""(?<=["'\s(`=])/\w[\w/]*|[A-Z]:\\\\""", TEXT)
    # Colab's own, the same for all.
    assert set(found) == {"/content/drive", "/content/drive/MyDrive/jaxdqn"}


def test_nothing_replaces_colabs_jax():
    commands = re.findall(r"(?:!|%)\w+ .*", source("install"))
    assert [command.split()[0] for command in commands] == ["!git", "%pip"]
    assert not any(" -U" in c or "--upgrade" in c or "jax[" in c for c in commands)


def test_badges_and_installation_mean_one_repository():
    (repository,) = re.findall(r'REPOSITORY = "https://github\.com/(.*)"', source("install"))
    page = (
        f"https://colab.research.google.com/github/{repository}/blob/main/experiments/{PATH.name}"
    )
    for text in (source("title"), (runner.ROOT / "README.md").read_text()):
        assert re.findall(r"\[!\[Open in Colab\]\(.*?\)\]\((.*?)\)", text) == [page]
