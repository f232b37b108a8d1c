"""Benchmark of a GPU, tried on the CPU: its comparisons, whole trainings and the times of a profile."""

import json
import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from helpers import runner

from experiments.benchmark import gpu, kernels
from jaxdqn.runs import leaves


def test_without_a_gpu_it_ends_with_one_line():
    code, out, err = runner.run("benchmark/gpu.py")
    assert (code, out) == (2, "")
    assert err == "error: JAX finds no GPU here; --cpu tries the program on the CPU.\n"


def test_a_training_without_an_iteration_is_refused():
    code, out, err = runner.run("benchmark/gpu.py", "--cpu", "--cartpole-steps", 200)
    assert (code, out) == (2, "") and err.startswith(
        "error: --cartpole-steps (200) must be at least "
    )


def test_a_difference_is_relative_to_the_expected_value():
    found = gpu.difference(jnp.float32([2.0, -4.5]), jnp.float32([2.0, -4.0]))
    assert found == 0.125
    assert math.isnan(gpu.difference(jnp.float32([jnp.nan]), jnp.float32([1.0])))


def test_states_are_identical_to_the_bit():
    assert gpu.identical({"x": jnp.float32([0.0])}, {"x": jnp.float32([0.0])})
    assert not gpu.identical({"x": jnp.float32([0.0])}, {"x": jnp.float32([-0.0])})


def test_agents_are_compared_with_the_cpu_and_with_their_resumed_selves(monkeypatch):
    monkeypatch.setattr(gpu, "AGENTS", ("dqn", "pqn"))
    row = {"loss": 0.0, "gradient": 0.0, "resumed": "identical"}
    assert gpu.measure_agreement(gpu.Args()) == [{"agent": x} | row for x in gpu.AGENTS]

    def halve(template, host, restore=leaves.to_devices):
        state = restore(template, host)
        return state._replace(env_steps=state.env_steps // 2)

    monkeypatch.setattr(leaves, "to_devices", halve)
    assert {x["resumed"] for x in gpu.measure_agreement(gpu.Args())} == {"different"}


@pytest.mark.parametrize("variant", gpu.VARIANTS.values(), ids=gpu.VARIANTS.keys())
def test_the_compiler_knows_the_options_of_a_variant(variant):
    with jax.default_matmul_precision(variant.precision):
        jax.jit(jnp.negative, compiler_options=variant.options).lower(1.0).compile()


@pytest.mark.slow
def test_a_whole_training_ends_as_that_of_the_program_for_users(tmp_path):
    options = ["--cpu", "--parts", "cartpole", "--cartpole-seeds", 2, "--cartpole-steps", 3000]
    code, out, err = runner.run("benchmark/gpu.py", *options, "--json", tmp_path / "rows.json")
    assert code == 0, err
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    options = ["--seeds", 2, "--seed", gpu.FIRST_SEED, "--steps", 3000, "--quiet"]
    code, _, err = runner.run("cartpole.py", *options, "--run-dir", tmp_path / "run")
    assert code == 0, err
    returns = json.loads((tmp_path / "run" / "result.json").read_text())["final_return"]
    assert row["least"] == pytest.approx(min(returns))
    assert row["final"] == pytest.approx(sum(returns) / 2)
    assert row["solved"] == 0 and row["seeds_that_fit"] > 2
    assert "| CartPole-v1 | dqn | 2 | 3,000 |" in out


def test_the_time_of_a_loop_is_that_of_the_kernels_in_it():
    def event(name, microseconds):
        return SimpleNamespace(name=name, duration_ns=1e3 * microseconds)

    events = [event("while.1", 90), event("gemm", 30), event("gather", 20), event("gemm", 30)]
    lines = [
        SimpleNamespace(name="Stream #13(Compute)", events=events),
        SimpleNamespace(name="XLA Ops", events=[event("gemm", 60)]),
    ]
    seconds, calls = kernels.busy(SimpleNamespace(planes=[SimpleNamespace(lines=lines)]))
    assert calls == {"gemm": 2, "gather": 1}
    assert seconds == pytest.approx({"gemm": 60e-6, "gather": 20e-6})
