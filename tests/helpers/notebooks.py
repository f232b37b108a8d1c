"""The notebooks in English and Korean, and their cells."""

import nbformat
import pytest
from helpers import runner

ENGLISH = runner.ROOT / "experiments" / "cartpole_colab.ipynb"
KOREAN = runner.ROOT / "experiments" / "cartpole_colab.ko.ipynb"
each_language = pytest.mark.parametrize("path", (ENGLISH, KOREAN), ids=("english", "korean"))


def read(path):
    return nbformat.reads(path.read_text(), as_version=4)


def cell(notebook, name):
    (found,) = (cell for cell in notebook.cells if cell.id == name)
    return found


def source(path, name):
    return cell(read(path), name).source
