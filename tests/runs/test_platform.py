"""Detection of accelerators that JAX does not use, and the warning about them."""

import subprocess
from pathlib import Path

import jax
import pytest

from jaxdqn.runs import platform


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """A machine without accelerators, not of Colab, on which JAX has chosen the CPU."""
    names = ("COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE", "COLAB_RELEASE_TAG", "JAX_PLATFORMS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "glob", lambda path, pattern: iter(()))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")


def add_nvidia_smi(tmp_path, exit_code=0):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    program.chmod(0o755)


def warning(capsys):
    platform.warn_of_unused_accelerator()
    return capsys.readouterr().err


def test_a_machine_without_accelerators_gives_no_warning(capsys):
    assert warning(capsys) == ""


def test_a_gpu_is_found_by_nvidia_smi(tmp_path, capsys):
    add_nvidia_smi(tmp_path)
    assert platform.unused_accelerator() == "GPU"
    line = warning(capsys)
    assert line.startswith("warning: this machine has a GPU, but jax ") and line.count("\n") == 1
    assert line.endswith(f'pip install "jax[cuda]=={jax.__version__}"\n')


def test_a_failing_nvidia_smi_is_no_gpu(tmp_path):
    add_nvidia_smi(tmp_path, exit_code=9)
    assert platform.accelerator() is None


def test_a_hanging_nvidia_smi_is_no_gpu(monkeypatch):
    def hang(command, timeout, **kwargs):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert platform.accelerator() is None


@pytest.mark.parametrize("name", ["COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE"])
def test_a_tpu_is_found_by_environment_variables(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "")  # As on machines of Colab without a TPU.
    assert platform.unused_accelerator() is None
    monkeypatch.setenv(name, "1")
    assert platform.unused_accelerator() == "TPU"
    assert warning(capsys).endswith(f'pip install "jax[tpu]=={jax.__version__}"\n')


def test_a_tpu_is_found_among_the_device_files(monkeypatch):
    found = {(Path("/dev"), "accel*"): [Path("/dev/accel0")]}
    monkeypatch.setattr(Path, "glob", lambda *key: iter(found.get(key, ())))
    assert platform.unused_accelerator() == "TPU"


def test_on_colab_the_remedy_is_a_new_runtime(monkeypatch, tmp_path, capsys):
    add_nvidia_smi(tmp_path)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    line = warning(capsys)
    assert "Runtime > Disconnect and delete runtime" in line and "without -U" in line
    assert "pip install" not in line


def test_an_accelerator_in_use_is_not_reported(monkeypatch, tmp_path):
    add_nvidia_smi(tmp_path)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert platform.unused_accelerator() is None


def test_an_accelerator_that_cannot_be_initialised_is_reported(monkeypatch, capsys):
    def fail():
        raise RuntimeError("Unable to initialize backend 'tpu'")

    monkeypatch.setenv("COLAB_TPU_1VM", "1")
    monkeypatch.setattr(jax, "default_backend", fail)
    assert "has a TPU" in warning(capsys)


def test_nothing_is_reported_if_the_cpu_was_asked_for(monkeypatch, tmp_path):
    add_nvidia_smi(tmp_path)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert platform.unused_accelerator() is None
