"""Saves: which are kept, what a damaged one does, what a slow or full disk does."""

import json
import os
import random
import re
import shutil
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runner
import tensorstore
from test_training import equal

from jaxdqn.runs import checkpoint, loop
from jaxdqn.runs.errors import DAMAGED, RunError

STATE = {
    "weights": jnp.linspace(0.0, 1.0, 600).reshape(20, 30),
    "count": jnp.int32(7),
    "flags": jnp.arange(9) % 2 == 0,
    "key": jax.random.key(3),
}


def row(chunk, value=1.0):
    return {"chunk": chunk, "greedy_return": [value, None]}


def rows(chunk):
    return [row(k) for k in range(1, chunk + 1)]


def opened(path, keep=3):
    return checkpoint.Checkpoints(path, keep, loop.score)


def numbered(chunk):
    return STATE | {"count": jnp.int32(chunk)}


def write(path, *chunks):
    """Saves of `STATE` after `chunks`, whose count is the chunk."""
    with opened(path, keep=9) as saves:
        for chunk in chunks:
            saves.save(chunk, numbered(chunk), rows(chunk))
            saves.wait()
    return path


def restored(path):
    with opened(path) as saves:
        return saves.restore(STATE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("whole"), 1, 2)


@pytest.fixture
def copy(whole, tmp_path):
    """Two saves that a test may damage."""
    path = tmp_path / "checkpoints"
    shutil.copytree(whole, path)
    return path


def data_files(save):
    return sorted(file for file in save.rglob("*") if file.is_file())


def test_what_was_saved_comes_back(whole):
    chunk, state, log = restored(whole)
    assert chunk == 2 and log == rows(2)
    assert equal(state, numbered(2))


def test_only_the_last_saves_and_the_best_are_kept(tmp_path):
    log = []
    with opened(tmp_path, keep=2) as saves:
        for chunk, value in enumerate([1.0, 9.0, 3.0, 4.0, 5.0], start=1):
            log.append(row(chunk, value))
            saves.save(chunk, STATE, log)
            saves.wait()
    assert saves.chunks() == [2, 4, 5]


def test_a_save_ahead_of_the_log_is_left_alone(tmp_path):
    (tmp_path / "7").mkdir()
    with opened(tmp_path, keep=2) as saves:
        saves.save(3, STATE, [row(3)])
    assert saves.chunks() == [3, 7]


def test_a_slow_disk_keeps_fewer_saves_and_stalls_nothing(tmp_path, monkeypatch):
    """The disk takes no byte until told so; the state may be changed meanwhile."""
    ready, save = threading.Event(), checkpoint.ocp.save

    def slow(*args, **kwargs):
        assert ready.wait(60)
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoint.ocp, "save", slow)
    change = jax.jit(lambda state: state | {"count": state["count"] + 1}, donate_argnums=0)
    state = jax.tree.map(jnp.copy, numbered(1))
    with opened(tmp_path) as saves:
        for chunk in (1, 2, 3):
            saves.save(chunk, state, rows(chunk))
            state = change(state)
        ready.set()
        saves.wait()
        saves.save(4, state, rows(4))
    assert saves.chunks() == [1, 4]
    assert equal(restored(tmp_path)[1], numbered(4))


def test_a_save_that_failed_is_told_at_the_next(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise ValueError("RESOURCE: no space\nand a page of more")

    monkeypatch.setattr(checkpoint.ocp, "save", full)
    line = r"1 could not be saved: ValueError: RESOURCE: no space$"
    with pytest.raises(OSError, match=line), opened(tmp_path) as saves:
        saves.save(1, STATE, rows(1))
        saves.wait()
    assert saves.chunks() == []


def test_every_flipped_bit_is_harmless_or_found(copy, capsys):
    """In each file of the newest save: what is restored is what was saved, that time or the time before."""
    rng, found = random.Random(0), 0
    for file in data_files(copy / "2"):
        before = file.read_bytes()
        for _ in range(12 if before else 0):
            data = bytearray(before)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(data)
            chunk, state, log = restored(copy)
            assert log == rows(chunk) and equal(state, numbered(chunk)), file
            found += chunk == 1
        file.write_bytes(before)
    assert found == capsys.readouterr().err.count("2 cannot be used: ") > 12


def test_a_flipped_number_is_found_by_the_checksum_alone(copy, monkeypatch, capsys):
    """As a disk flips it whose file system repairs the rest: Orbax reads what is there."""
    load = checkpoint.ocp.load

    def flipped(path, template):
        tree = load(path, template)
        if path.endswith("/2"):
            tree["weights"] = tree["weights"] * np.float32(1 + 2**-23)
        return tree

    monkeypatch.setattr(checkpoint.ocp, "load", flipped)
    assert restored(copy)[0] == 1
    assert "2 cannot be used: its checksum does not match; going on" in capsys.readouterr().err


def test_rows_of_the_log_are_under_the_checksum(copy):
    path = copy / "2" / "_CHECKPOINT_METADATA"
    text = path.read_text()
    assert text.count('"greedy_return": [1.0, null]') == 2
    path.write_text(text.replace("[1.0, null]", "[9.0, null]", 1))
    assert restored(copy)[0] == 1


@pytest.mark.parametrize("keep", [0, 3, 0.5])
@pytest.mark.parametrize("part", ["_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt", "d"])
def test_files_that_are_cut_or_gone_cost_one_save(copy, capsys, part, keep):
    """All files called so, or in a directory called so, lose what is beyond `keep` bytes; 0: are gone."""
    files = [file for file in data_files(copy / "2") if part in (file.name, file.parent.name)]
    assert files
    for file in files:
        data = file.read_bytes()
        file.unlink() if keep == 0 else file.write_bytes(
            data[: keep if keep > 1 else len(data) // 2]
        )
    chunk, state, _ = restored(copy)
    assert chunk == 1 and equal(state, numbered(1))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_none_that_is_usable_is_one_line_and_nothing_is_deleted(copy, capsys):
    for manifest in copy.rglob("manifest.ocdbt"):
        manifest.unlink()
    before = sorted(copy.rglob("*"))
    with pytest.raises(
        RunError, match=r"holds no usable checkpoint, 2 tried; .*2 cannot be used: "
    ) as error:
        restored(copy)
    assert error.value.exit_code == DAMAGED and "\n" not in str(error.value)
    assert sorted(copy.rglob("*")) == before and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"weights": jnp.zeros((20, 31))}, "weights is float32[20, 30], not float32[20, 31]"),
        ({"weights": jnp.zeros((20, 30), int)}, "weights is float32[20, 30], not int32[20, 30]"),
        ({"bias": jnp.zeros(2)}, "bias is missing, not float32[2]"),
    ],
)
def test_another_programs_leaves_are_named(whole, other, line):
    with opened(whole) as saves, pytest.raises(RunError, match=re.escape(line)):
        saves.restore(STATE | other)


def rewrite(save, leaf, **changes):
    """Changes what the array `leaf` says of itself, deep in the save's own format."""
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{save}/state/"}).result()
    name = f"{leaf}/zarr.json".encode()
    claims = json.loads(store.read(name).result().value)
    assert claims.keys() >= changes.keys()
    store.write(name, json.dumps(claims | changes).encode()).result()


HUGE = 2 * 10**13


def grid(rows):
    return {"name": "regular", "configuration": {"chunk_shape": [rows, 30]}}


PLAIN = [{"name": "bytes", "configuration": {"endian": "little"}}]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"shape": [HUGE, 30]}, f"weights is float32[{HUGE}, 30], not float32[20, 30]"),
        ({"chunk_grid": grid(HUGE)}, "2 cannot be used: its metadata is damaged"),
        (
            {"chunk_grid": grid(HUGE), "codecs": PLAIN},
            f"a chunk ({HUGE}, 30) exceeds its array (20, 30)",
        ),
    ],
)
def test_claims_of_a_huge_array_are_refused_before_memory_is_taken(copy, changes, line):
    shutil.rmtree(copy / "1")
    rewrite(copy / "2", "weights", **changes)
    with pytest.raises(RunError, match=re.escape(line)):
        restored(copy)


def test_a_save_that_points_outside_of_its_directory_is_refused(copy, tmp_path):
    """Its data are a link, its leaves are called `..`: the one before is used and nothing else is read."""
    outside = tmp_path / "outside"
    (copy / "2" / "state" / "d").rename(outside)
    os.symlink("/etc", copy / "2" / "state" / "d")
    assert restored(copy)[0] == 1
    text = (copy / "1" / "state" / "_METADATA").read_text()
    (copy / "1" / "state" / "_METADATA").write_text(text.replace("weights", "../../weights"))
    with pytest.raises(RunError, match="holds no usable checkpoint, 2 tried"):
        restored(copy)


def test_nothing_that_is_loaded_is_executed():
    """No line of ours unpickles, or evaluates a text."""
    forbidden = re.compile(
        r"\b(pickle|marshal|shelve|dill|joblib)\b|allow_pickle=True|\b(eval|exec)\("
    )
    sources = [
        *Path(runner.ROOT, "jaxdqn").rglob("*.py"),
        *Path(runner.ROOT, "experiments").rglob("*.py"),
    ]
    assert len(sources) > 40
    for source in sources:
        assert not forbidden.search(source.read_text()), source
