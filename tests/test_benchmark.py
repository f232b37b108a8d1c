"""The benchmark measures what it says: rows with every figure, and work that is counted right."""

import json
import sys

import pytest
import runner

from experiments import benchmark, workload
from jaxdqn.runs import cli


def test_the_work_that_peers_publish_is_counted_by_hand():
    work = workload.cleanrl()
    # Weights 4 * 120 + 120 * 84 + 84 * 2 = 10,728; a pass of two networks, two back through one, less
    # the products back into the observations: 2 * 128 * (4 * 10,728 - 480).
    assert work.update_flops == 10_862_592
    config = work.config
    assert (config.num_envs, config.num_steps, config.num_updates) == (10, 1, 1)
    assert (config.warmup_steps, config.capacity, config.target_period) == (10_000, 10_000, 50)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds"], "--seeds (0) must be at least 1."),
        (["--parts"], "--parts (0) must be at least 1."),
        (["--json", "/nowhere/x"], "--json (/nowhere/x) must lie in a directory that is there."),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_measured(monkeypatch, capsys, options, line):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *options])
    with pytest.raises(SystemExit) as stop:
        cli.main(benchmark.Args, benchmark.main)
    assert stop.value.code == 2 and capsys.readouterr() == ("", f"error: {line}\n")


@pytest.mark.slow
def test_rows_hold_every_figure_and_tables_are_markdown(tmp_path):
    json_path, markdown_path = tmp_path / "rows.json", tmp_path / "tables.md"
    code, out, err = runner.run(
        "benchmark.py", "--seeds", 1, 2, "--repeats", 1, "--parts", "population", "devices", "compile",
        "--json", json_path, "--markdown", markdown_path,
    )  # fmt: skip
    assert code == 0, err
    rows = json.loads(json_path.read_text())
    mine = [row for row in rows if row["part"] == "population"]
    assert [row["seeds"] for row in mine] == [1, 2]
    for row in mine:
        for name in (
            "world_steps_per_second",
            "updates_per_second",
            "compile_seconds",
            "peak_bytes",
        ):
            assert row[name] > 0
        assert 0 < row["gemm_fraction"] < 1
        # The default: 8 world steps and 2 updates an iteration.
        assert row["world_steps_per_second"] == pytest.approx(4 * row["updates_per_second"])
    assert {row["cache"] for row in rows if row["part"] == "compile"} == {"cold", "warm"}
    text = markdown_path.read_text()
    assert text.strip() in out and text.count("|---|") >= 3
