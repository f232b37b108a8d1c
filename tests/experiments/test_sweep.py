"""The sweep as a program: invalid options, groups, diverged agents, stopping and resuming."""

import csv
import json
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import runner

from experiments import sweep
from experiments.sweeps import grid
from experiments.sweeps.ranking import ranking
from jaxdqn import recipes
from jaxdqn.runs import cli, logs, processes
from jaxdqn.runs.errors import DAMAGED, RunError

SHORT = (
    "--steps",
    2_200,
    "--eval-interval",
    400,
    "--eval-episodes",
    4,
    "--config.buffer-size",
    1_600,
)
GRID = (
    "--sweep", "learning-rate=1e-3,1e30", "--sweep", "batch_size=16,32", "--seeds", 2, "--seed", 5,
)  # fmt: skip

MISTAKES = [
    (["--sweep", "gama=0.9"], "--sweep (gama=0.9) must name a hyperparameter: gamma, "),
    (["--sweep", "agent=dqn"], "--sweep (agent=dqn) must name a hyperparameter: "),
    (
        ["--sweep", "num_updates=1:8:3"],
        "--sweep (num_updates=1:8:3) must list integers, as in --sweep num_updates=8,16",
    ),
    (
        ["--sweep", "batch_size=1.5"],
        "--sweep (batch_size=1.5) must have an integer in place of '1.5'.",
    ),
    (["--sweep", "gamma="], "--sweep (gamma=) must hold finite numbers, not ''."),
    (["--sweep", "gamma=0.9:0.8:3"], "--sweep (gamma=0.9:0.8:3) must have LOW below HIGH."),
    (
        ["--sweep", "learning_rate=0:1:log:3"],
        "--sweep (learning_rate=0:1:log:3) must have LOW above 0",
    ),
    (
        ["--sweep", "gamma=0.9,1.5"],
        "--sweep (gamma=0.9,1.5) gives an invalid configuration: gamma (1.5) must lie in [0, 1].",
    ),
    (
        ["--draw", "gamma=0:2"],
        "--draw (gamma=0:2) gives an invalid configuration: gamma (",
    ),
    (
        ["--sweep", "gamma=0.9,0.99", "--sweep", "n_step=3,30000"],
        "--sweep (n_step=3,30000) gives an invalid configuration: buffer_size (200000) must hold",
    ),
    (
        ["--sweep", "adam_epsilon=1e-50"],
        "--sweep (adam_epsilon=1e-50) gives an invalid configuration: adam_epsilon (1e-50) must be above 0",
    ),
    (
        ["--agent", "pqn", "--sweep", "batch_size=32,64"],
        "--sweep (batch_size=32,64) must not be given: pqn on CartPole-v1 does not use it.",
    ),
    (
        ["--agent", "rainbow", "--draw", "epsilon_end=0:1"],
        "--draw (epsilon_end=0:1) must not be given: rainbow on CartPole-v1 does not use it.",
    ),
    (
        ["--agent", "c51", "--sweep", "v_max=10,250"],
        "--sweep (v_max=10,250) gives an invalid configuration: v_max (10.0) must be at least the",
    ),
    (
        ["--seeds", 600_000, "--sweep", "gamma=0.9,0.99"],
        "--seeds (600000) times 2 configurations must be at most 1,000,000 agents.",
    ),
    (
        ["--seed", 2**31 - 1, "--seeds", 2],
        "--seed (2147483647) must be small enough that the last seed (2147483648) is below 2147483648.",
    ),
    (["--seeds", 0], "--seeds (0) must be at least 1."),
    (["--max-parallel", 0], "--max-parallel (0) must be at least 1."),
    (["--config.gamma", 2], "--config.gamma (2.0) must lie in [0, 1]."),
    (["--devices", 0], "--devices (0) must be at least 1."),
    (["--devices", 1_000], "--devices (1000) must be at most "),
    (
        ["--seeds", 3, "--devices", 2],
        "--devices (2) must be a divisor of the number of agents (3).",
    ),
    (["--seeds", 3, "--vmap-size", 0], "--vmap-size (0) must be at least 1."),
    (
        [
            "--seeds",
            400,
            "--config.buffer-size",
            80_000_000,
            "--steps",
            80_000_000,
            "--max-parallel",
            200,
        ],
        "--max-parallel (200) must be at most ",
    ),
    (["--resume"], "--resume (True) must be given with --run-dir, the run to continue."),
]


@pytest.mark.parametrize(("options", "line"), MISTAKES, ids=lambda value: str(value)[:40])
def test_invalid_options_are_one_line_and_nothing_is_created(
    monkeypatch, capsys, tmp_path, options, line
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep.py", *map(str, options)])
    with pytest.raises(SystemExit) as stop:
        cli.main(sweep.Args, sweep.main)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith(f"error: {line}") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def results(run_dir):
    return list(csv.DictReader((run_dir / "results.csv").open()))


def test_no_two_agents_share_a_seed_unless_paired():
    configurations = grid.parse(["gamma=0.9,0.99", "batch_size=16,32"])
    for paired, expected in ((False, range(100, 112)), (True, [100, 101, 102] * 4)):
        parts = sweep.parts_of(sweep.Args(seeds=3, seed=100, paired=paired), configurations)
        assert sorted(seed for part in parts for seed in part.seeds) == sorted(expected)
    # Two groups by batch size, each of 2 configurations and 3 seeds, with at most 4 agents in parallel.
    parts = sweep.parts_of(sweep.Args(seeds=3, max_parallel=4), configurations)
    assert [len(part.seeds) for part in parts] == [4, 2, 4, 2]
    assert [part.static["batch_size"] for part in parts] == [16, 16, 32, 32]


def test_the_ranking_is_by_solve_rate_and_counts_diverged_agents():
    returns = {0.9: [500, 10], 0.99: [480, 480], 0.8: [400, 474]}
    rows = [
        {"gamma": gamma, "seed": k, "final_return": value, "diverged": 2_000 if value == 10 else ""}
        for gamma, values in returns.items()
        for k, value in enumerate(values)
    ]
    lines = ranking(rows, ["gamma"], 475.0)
    assert [line["gamma"] for line in lines] == ["0.99", "0.9", "0.8"]
    assert [line["≥ 475"].split(" (")[0] for line in lines] == ["2 of 2", "1 of 2", "0 of 2"]
    assert [line["diverged"] for line in lines] == [0, 1, 0]


def test_the_labels_of_configurations_are_distinct():
    values = {"buffer_size": [123456, 123464], "learning_rate": [0.00123456, 0.00123457]}
    for name, pair in values.items():
        rows = [{name: x, "seed": 0, "final_return": 9.0, "diverged": ""} for x in pair]
        assert len({line[name] for line in ranking(rows, [name], None)}) == 2


@pytest.mark.parametrize("others_finished", [True, False])
def test_a_part_is_trained_until_every_process_has_its_result(
    tmp_path, monkeypatch, others_finished
):
    """Otherwise one process would train the next part while another still trains this one."""
    row = {"env_steps": 8, "loss": [0.0], "eval_return": [9.0]}
    (tmp_path / "result.json").touch()
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row))
    trained = []
    monkeypatch.setattr(processes, "gather", lambda here: np.append(here, others_finished))
    training = object.__new__(sweep.Training)
    training.training = SimpleNamespace(
        run=lambda *inputs, **options: trained.append(inputs), check_memory=lambda quiet: None
    )
    training.recipe = recipes.find("CartPole-v1")
    training.part = sweep.Part({}, [3], [{"gamma": 0.9}])
    (line,) = training.run(tmp_path, quiet=True, resume="")
    assert len(trained) == (not others_finished) and line["final_return"] == 9.0


@pytest.mark.parametrize("text", ["", "{", '{"env_steps": 8}', '{"env_steps": 8, "loss": [1]}'])
def test_a_damaged_log_of_a_part_is_one_line_that_names_it(tmp_path, text):
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(
        RunError, match=r"metrics\.jsonl is damaged: .*; delete .*result\.json"
    ) as stop:
        logs.read(tmp_path, 1)
    assert stop.value.exit_code == DAMAGED


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    """Two learning rates, one of them far too large, and two batch sizes, with two seeds each."""
    run_dir = tmp_path_factory.mktemp("grid") / "run"
    code, out, err = runner.run("sweep.py", *GRID, *SHORT, "--run-dir", run_dir)
    assert code == 0, err
    return run_dir, out


@pytest.mark.slow
def test_a_sweep_writes_a_row_per_agent_a_ranking_and_a_picture(grid_run):
    run_dir, out = grid_run
    rows = results(run_dir)
    assert list(rows[0]) == [
        "learning_rate", "batch_size", "seed", "final_return", "best_return", "steps_to_solve", "diverged",
    ]  # fmt: skip
    assert sorted(int(row["seed"]) for row in rows) == list(range(5, 13))
    assert "Part 2 of 2, batch_size 32." in out and "Plan: 4 agents on " in out
    assert "| learning_rate | batch_size | ≥ 475 | mean |" in out
    assert (run_dir / "sweep.png").exists() and (run_dir / "ranking.md").exists()


@pytest.mark.slow
def test_only_diverged_agents_are_marked(grid_run):
    for row in results(grid_run[0]):
        too_large = float(row["learning_rate"]) > 1
        assert bool(row["diverged"]) == too_large
        assert float(row["best_return"]) >= float(row["final_return"])


@pytest.mark.slow
def test_an_agent_is_bit_identical_to_a_run_of_its_own(grid_run, tmp_path):
    row = next(
        r for r in results(grid_run[0]) if float(r["learning_rate"]) < 1 and r["batch_size"] == "32"
    )
    options = ["--config.learning-rate", 1e-3, "--config.batch-size", 32, "--seed", row["seed"]]
    code, _, err = runner.run("cartpole.py", *options, *SHORT, "--run-dir", tmp_path / "run")
    assert code == 0, err
    alone = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    part = next((grid_run[0] / "parts").glob("2/metrics.jsonl"))
    together = [json.loads(line) for line in part.read_text().splitlines()]
    result = json.loads((part.parent / "result.json").read_text())
    k = result["seeds"].index(int(row["seed"]))
    for name in ("loss", "train_return", "eval_return"):
        assert [row[name][k] for row in together] == [row[name][0] for row in alone]


@pytest.mark.slow
def test_a_resumed_sweep_equals_an_uninterrupted_one(grid_run, tmp_path):
    run_dir = tmp_path / "run"
    options = [*GRID, *SHORT, "--run-dir", run_dir, "--quiet"]
    process = runner.start("sweep.py", *options)
    while not list(run_dir.glob("parts/2/metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    code, _, err = runner.finish(process)
    assert code == 143 and f"--run-dir {run_dir} --resume" in err and err.count("\n") == 1
    code, out, err = runner.run("sweep.py", *options, "--resume")
    assert (code, out) == (0, ""), err
    assert results(run_dir) == results(grid_run[0])
    assert (run_dir / "ranking.md").read_text() == (grid_run[0] / "ranking.md").read_text()
