"""CSV files of results: atomic, complete, and of one plan."""

import pytest

from experiments.results import rows
from jaxdqn.config import ConfigError
from jaxdqn.runs.errors import DAMAGED, RunError

FIELDS = ("agent", "seed", "value")


def filled(path, seeds, agent="dqn", group_size=None):
    """The rows after `fill`, and the groups of seeds for which it called `train`."""
    groups = []

    def train(group):
        groups.append(list(group))
        return [{"agent": agent, "seed": seed, "value": 10 * seed} for seed in group]

    return rows.fill(path, FIELDS, {"agent": agent}, seeds, train, group_size), groups


def test_fill_trains_missing_seeds_only(tmp_path):
    path = tmp_path / "rows.csv"
    found, groups = filled(path, [1, 2])
    assert groups == [[1, 2]] and [row["value"] for row in found] == ["10", "20"]
    found, groups = filled(path, range(5))
    assert groups == [[0, 3, 4]] and len(found) == 5
    # The seeds of another agent are its own.
    found, groups = filled(path, [1], agent="pqn")
    assert groups == [[1]] and len(found) == 6
    assert found == rows.read(path, FIELDS)
    assert filled(path, range(5)) == (found, [])


def test_fill_writes_after_each_group(tmp_path):
    path, written = tmp_path / "rows.csv", []

    def train(group):
        written.append(len(rows.read(path, FIELDS)))
        if 4 in group:
            raise KeyboardInterrupt
        return [{"agent": "dqn", "seed": seed, "value": 0} for seed in group]

    with pytest.raises(KeyboardInterrupt):
        rows.fill(path, FIELDS, {"agent": "dqn"}, range(6), train, group_size=2)
    assert written == [0, 2, 4]
    assert [row["seed"] for row in rows.read(path, FIELDS)] == ["0", "1", "2", "3"]


def test_rows_that_another_process_wrote_meanwhile_are_kept(tmp_path):
    path = tmp_path / "rows.csv"

    def train(group):
        filled(path, [7], agent="pqn")
        return [{"agent": "dqn", "seed": seed, "value": 0} for seed in group]

    found = rows.fill(path, FIELDS, {"agent": "dqn"}, [1], train)
    assert found == rows.read(path, FIELDS)
    assert [(row["agent"], row["seed"]) for row in found] == [("pqn", "7"), ("dqn", "1")]


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_a_row_that_is_not_complete_is_reported(tmp_path, cut):
    """Also where it has all columns, but not all characters of the last one."""
    path = tmp_path / "rows.csv"
    filled(path, [1, 2])
    path.write_text(path.read_text()[:-cut])
    with pytest.raises(RunError, match="last row is incomplete; delete that row") as caught:
        rows.read(path, FIELDS)
    assert caught.value.exit_code == DAMAGED


@pytest.mark.parametrize("text", ["", "seed,value\n", "agent,seed,value\ndqn,1\n"])
def test_a_damaged_file_is_reported(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=r"damaged: its columns must be agent, seed") as caught:
        rows.read(path, FIELDS)
    assert caught.value.exit_code == DAMAGED


def test_a_directory_belongs_to_one_plan(tmp_path):
    rows.create(tmp_path / "new", {"steps": 3, "shape": (1, 2)})
    rows.create(tmp_path / "new", {"steps": 3, "shape": (1, 2)})
    with pytest.raises(ConfigError, match="must not hold results of another steps"):
        rows.create(tmp_path / "new", {"steps": 4, "shape": (1, 2)})
    # Another agent is added to the plan, and then is part of it.
    rows.create(tmp_path / "new", {"steps": 3, "dqn": {"gamma": 0.9}})
    with pytest.raises(ConfigError, match="must not hold results of another dqn"):
        rows.create(tmp_path / "new", {"dqn": {"gamma": 0.8}})
