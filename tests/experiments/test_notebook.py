"""The notebook, executed from top to bottom in a kernel and folder of its own; the Korean one has the same code."""

import ast
import base64
import html
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from helpers.browser import chromium, listen, needs_chromium
from helpers.notebooks import ENGLISH, cell, read
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

SMALL = {
    "STEPS": 10_600,
    "AGENTS": 4,
    "COMPARED": 2,
    "EVAL_INTERVAL": 96,
    "EVAL_EPISODES": 4,
    "BREAKOUT_STEPS_CPU": 20 * 4_096,
}
EVALUATIONS = 100
"""9,600 environment steps after learning starts, in chunks of 96: enough time for a kill halfway."""


class Executed(NamedTuple):
    """A notebook after its execution with the parameters `SMALL`, and the folder in which it ran."""

    notebook: nbformat.NotebookNode
    folder: Path


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read(ENGLISH)
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


def shown_html(executed, name):
    data = [o.data for o in outputs(executed, name) if o.output_type == "display_data"]
    return "".join(d.get("text/html", "") for d in data)


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
    # The bar is text, or a widget if ipywidgets is installed.
    widgets = json.dumps(executed.notebook.metadata.get("widgets", {}))
    assert "100%" in printed(executed, "one", "stderr") + widgets
    assert [len(row["eval_return"]) for row in rows(executed, "one")] == [1] * EVALUATIONS
    (curve,) = images(executed, "one-curve")
    (animation,) = images(executed, "one-animation")
    assert curve.format == "PNG" and curve.size[0] > 500
    assert animation.format == "GIF" and getattr(animation, "n_frames", 1) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one-report", "breakout"])
def test_the_report_is_shown_inline(executed, name):
    """In a frame that contains the page, so that Colab needs no other file."""
    (page,) = re.findall(r'<iframe srcdoc="([^"]*)"', shown_html(executed, name))
    (run_dir,) = (executed.folder / "runs").glob(f"{name.split('-')[0]}_*")
    assert html.unescape(page) == (run_dir / "report.html").read_text()


@needs_chromium
@pytest.mark.slow
def test_the_report_works_in_the_frame(executed, tmp_path):
    output = shown_html(executed, "one-report")
    (tmp_path / "output.html").write_text(f"<!doctype html><meta charset=utf-8>{output}")
    messages = []
    with chromium() as browser:
        page = browser.new_page()
        listen(page, messages)
        page.goto((tmp_path / "output.html").as_uri())
        frame = page.frames[1]
        while not frame.evaluate("report.cart.steps > 3 || report.cart.fallen > 0"):
            page.wait_for_timeout(20)
        page.frame_locator("iframe").get_by_role("button", name="Pause").click()
        page.keyboard.down("ArrowRight")
        assert frame.evaluate("report.cart.step(), report.cart.hand") == 1
    assert messages == []


@pytest.mark.slow
def test_the_policy_is_loaded(executed):
    lines = printed(executed, "load").splitlines()
    assert re.fullmatch(r"action: [01] action values: \[.*\]", lines[0])
    assert 1 <= float(lines[1].removeprefix("mean return of 20 episodes: ")) <= 500


@pytest.mark.slow
def test_breakout_is_trained_with_the_budget_of_a_cpu(executed):
    found = rows(executed, "breakout")
    assert [row["env_steps"] for row in found] == [4_096 * k for k in range(1, 21)]


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
