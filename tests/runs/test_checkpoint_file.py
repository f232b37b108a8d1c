"""One checkpoint: damage is detected by its checksums, and passed over."""

import json
import os
import random
import re
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore
from helpers.checkpoint_runs import STATE, numbered, open_checkpoints, restored, rows, write
from helpers.training import equal

from jaxdqn.runs import checkpoint_file
from jaxdqn.runs.errors import DAMAGED, RunError


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("original"), 1, 2)


@pytest.fixture
def copy(original, tmp_path):
    """Two checkpoints that a test may damage."""
    path = tmp_path / "checkpoints"
    shutil.copytree(original, path)
    return path


def data_files(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_every_flipped_bit_is_harmless_or_detected(copy, capsys):
    """In each file of the newest checkpoint: the restored state is its own or that of the one before."""
    rng, detected = random.Random(0), 0
    for file in data_files(copy / "2"):
        before = file.read_bytes()
        for _ in range(12 if before else 0):
            data = bytearray(before)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(data)
            chunk, state, log = restored(copy)
            assert log == rows(chunk) and equal(state, numbered(chunk)), file
            detected += chunk == 1
        file.write_bytes(before)
    assert detected == capsys.readouterr().err.count("2 cannot be used: ") > 12


def test_the_checksum_detects_a_changed_number_that_orbax_reads(copy, monkeypatch, capsys):
    load = checkpoint_file.ocp.load

    def flipped(path, template):
        tree = load(path, template)
        if path.endswith("/2"):
            weights = tree["state"]["weights"]
            tree["state"]["weights"] = weights.at[7, 3].multiply(np.float32(1 + 2**-23))
        return tree

    monkeypatch.setattr(checkpoint_file.ocp, "load", flipped)
    assert restored(copy)[0] == 1
    assert "2 cannot be used: its checksum does not match; continuing" in capsys.readouterr().err


def test_the_checksum_includes_the_rows(copy):
    path = copy / "2" / "_CHECKPOINT_METADATA"
    text = path.read_text()
    assert text.count('"eval_return": [1.0, null]') == 2
    path.write_text(text.replace("[1.0, null]", "[9.0, null]", 1))
    assert restored(copy)[0] == 1


@pytest.mark.parametrize("keep", [0, 3, 0.5])
@pytest.mark.parametrize("part", ["_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt", "d"])
def test_truncated_or_missing_files_cost_one_checkpoint(copy, capsys, part, keep):
    """Truncates all files named `part`, or in a directory of that name; `keep`: bytes, 0.5 half, 0 deletes."""
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


def test_without_a_usable_checkpoint_raises_one_line_and_deletes_nothing(copy, capsys):
    for manifest in copy.rglob("manifest.ocdbt"):
        manifest.unlink()
    before = sorted(copy.rglob("*"))
    with pytest.raises(
        RunError, match=r"holds no usable checkpoint: 2 tried; .*2 cannot be used: "
    ) as error:
        restored(copy)
    assert error.value.exit_code == DAMAGED and "\n" not in str(error.value)
    assert sorted(copy.rglob("*")) == before and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"weights": jnp.zeros((20, 31))}, "weights is float32[20, 30], not float32[20, 31]"),
        ({"weights": jnp.zeros((20, 30), int)}, "weights is float32[20, 30], not int32[20, 30]"),
        ({"bias": jnp.zeros((20, 2))}, "bias is missing, not float32[20, 2]"),
    ],
)
def test_names_leaves_of_another_program(original, other, line):
    with open_checkpoints(original) as checkpoints, pytest.raises(RunError, match=re.escape(line)):
        checkpoints.restore(STATE | other)


def rewrite_metadata(path, leaf, **changes):
    """Changes the Zarr metadata of the array `leaf` in the checkpoint at `path`."""
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{path}/state/"}).result()
    name = f"state.{leaf}/zarr.json".encode()
    metadata = json.loads(store.read(name).result().value)
    assert metadata.keys() >= changes.keys()
    store.write(name, json.dumps(metadata | changes).encode()).result()


HUGE = 2 * 10**13


def grid(rows):
    return {"name": "regular", "configuration": {"chunk_shape": [rows, 30]}}


UNCOMPRESSED = [{"name": "bytes", "configuration": {"endian": "little"}}]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"shape": [HUGE, 30]}, f"weights is float32[{HUGE}, 30], not float32[20, 30]"),
        ({"chunk_grid": grid(HUGE)}, "2 cannot be used: its metadata is damaged"),
        (
            {"chunk_grid": grid(HUGE), "codecs": UNCOMPRESSED},
            f"a chunk ({HUGE}, 30) exceeds its array (20, 30)",
        ),
    ],
)
def test_a_huge_array_is_rejected_before_memory_is_allocated(copy, changes, line):
    shutil.rmtree(copy / "1")
    rewrite_metadata(copy / "2", "weights", **changes)
    with pytest.raises(RunError, match=re.escape(line)):
        restored(copy)


def test_a_checkpoint_with_paths_outside_its_directory_is_rejected(copy, tmp_path):
    """A symbolic link as its data, or `..` in a name of a leaf."""
    outside = tmp_path / "outside"
    (copy / "2" / "state" / "d").rename(outside)
    os.symlink("/etc", copy / "2" / "state" / "d")
    assert restored(copy)[0] == 1
    text = (copy / "1" / "state" / "_METADATA").read_text()
    (copy / "1" / "state" / "_METADATA").write_text(text.replace("weights", "../../weights"))
    with pytest.raises(RunError, match="holds no usable checkpoint: 2 tried"):
        restored(copy)
