"""`--track`: the real packages offline, resumption without doubled rows, and failures that are one warning."""

import json
import sqlite3

import numpy as np
import pytest
from PIL import Image

from jaxdqn.runs import tracker

ROWS = [
    {"env_steps": 100 * k, "epsilon": 0.5, "eval_return": [1.0 * k, None if k == 2 else 2.0 * k]}
    for k in range(1, 5)
]


def train(name, run_dir, rows, end):
    tracked = tracker.Tracker(name, run_dir, {"env": "CartPole-v1"}, [7, 8])
    tracked.start()
    for row in rows:
        tracked.row(row)
    if end:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(run_dir / "curve.png")
        tracked.finish({"final_return/7": 4.0}, [run_dir / "curve.png"])


def test_each_seed_is_a_series_without_missing_values():
    found = {"env_steps": 200, "epsilon": 0.5, "eval_return/7": 2.0}
    assert tracker.series(ROWS[1], [7, 8]) == found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_resumed_run_continues_and_sends_no_row_twice(tmp_path, monkeypatch, capfd, name):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    pytest.importorskip(name)
    train(name, tmp_path, ROWS[:3], end=False)
    train(name, tmp_path, ROWS[1:], end=True)
    assert "warning: --track" not in capfd.readouterr().err
    if name == "trackio":
        (file,) = (tmp_path / "trackio").glob("jaxdqn*.db")
        with sqlite3.connect(file) as base:
            sent = base.execute("select run_name, step from metrics order by step").fetchall()
        assert [step for _, step in sent] == [100, 200, 300, 400, 401]
        assert len({run for run, _ in sent}) == 1
    else:
        # In another process a second file of the same run, which `wandb sync` sends after the first.
        files = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
        identity = json.loads((tmp_path / "track.json").read_text())["run"]
        assert {file.name for file in files} == {f"run-{identity}.wandb"}


def test_a_tracker_that_is_missing_or_fails_is_one_warning(tmp_path, capsys):
    train("no_tracker", tmp_path, ROWS, end=True)
    err = capsys.readouterr().err
    assert err.startswith("warning: --track no_tracker stopped: ModuleNotFoundError")
    assert err.count("\n") == 1
