"""Benchmark: counted operations, one-line errors, complete rows and Markdown tables."""

import json
import sys

import pytest
from helpers import runner

from experiments.benchmark import run, workload
from jaxdqn.runs import cli


def test_operations_of_the_published_workload_are_those_counted_by_hand():
    work = workload.cleanrl()
    # Weights 4 * 120 + 120 * 84 + 84 * 2 = 10,728; two forward passes and a backward pass of two products
    # per layer, without the product for the gradient of the observations: 2 * 128 * (4 * 10,728 - 480).
    assert work.update_flops == 10_862_592
    config = work.config
    assert (config.num_envs, config.num_steps, config.num_updates) == (10, 1, 1)
    assert (config.learning_starts, config.buffer_size) == (10_000, 10_000)
    assert config.target_period == 50


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds"], "--seeds (0) must be at least 1."),
        (["--parts"], "--parts (0) must be at least 1."),
        (["--json", "/nowhere/x"], "--json (/nowhere/x) must lie in an existing directory."),
    ],
)
def test_invalid_options_are_one_line_before_anything_is_measured(
    monkeypatch, capsys, options, line
):
    monkeypatch.setattr(sys, "argv", ["run.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(run.Args, run.main)
    assert stop.value.code == 2 and capsys.readouterr() == ("", f"error: {line}\n")


@pytest.mark.slow
def test_rows_hold_every_figure_and_tables_are_markdown(tmp_path):
    json_path, markdown_path = tmp_path / "rows.json", tmp_path / "tables.md"
    code, out, err = runner.run(
        "benchmark/run.py", "--seeds", 1, 2, "--repeats", 1,
        "--parts", "population", "devices", "compile", "--json", json_path, "--markdown", markdown_path,
    )  # fmt: skip
    assert code == 0, err
    rows = json.loads(json_path.read_text())
    population = [row for row in rows if row["part"] == "population"]
    assert [row["seeds"] for row in population] == [1, 2]
    for row in population:
        for name in (
            "env_steps_per_second",
            "updates_per_second",
            "compile_seconds",
            "peak_bytes",
        ):
            assert row[name] > 0
        assert 0 < row["gemm_fraction"] < 1
        # The default has 8 environment steps and 2 updates per iteration.
        assert row["env_steps_per_second"] == pytest.approx(4 * row["updates_per_second"])
    assert {row["cache"] for row in rows if row["part"] == "compile"} == {"cold", "warm"}
    text = markdown_path.read_text()
    assert text.strip() in out and text.count("|---|") >= 3
