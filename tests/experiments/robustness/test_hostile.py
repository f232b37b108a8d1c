"""Samples of hostile run directories and random command lines, another one each time."""

import random
import sys

import pytest

pytest.importorskip("resource", reason="Linux and other Unix systems")
from experiments.robustness import attacks, hostile
from experiments.robustness.worker import Outcome

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.slow
def test_a_sample_of_hostile_input_does_no_harm():
    seed = random.SystemRandom().randrange(2**31)
    for row in hostile.run(8, 8, seed):
        assert int(row["programs run"]) >= 8
        faults = {name: row[name] for name in hostile.FAULTS if row[name] != "0"}
        assert not faults, f"hostile.py --directories 8 --command-lines 8 --seed {seed}: {faults}"


def test_attacks_change_what_they_say(tmp_path):
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    run = tmp_path / "run"
    (run / "policy").mkdir(parents=True)
    (run / "config.json").write_text('{"config": {"env": "x", "features": [1, 2]}}')
    found = attacks.all_of(run)
    kinds = {attack.kind for attack in found}
    assert set(attacks.KINDS) | {f"field: {name}" for name in attacks.VALUES} <= kinds
    for attack in found:
        attack.apply(run / attack.file, outside)
        path = run / attack.file
        if attack.kind == "pipe":
            assert path.is_fifo()
        elif attack.kind == "field: nested":
            assert path.read_text().count("[") >= 100_000
        elif "link" in attack.kind:
            assert path.is_symlink()
        for entry in [*run.iterdir()]:
            hostile.directory.delete(entry)
        (run / "policy").mkdir()
        (run / "config.json").write_text('{"config": {"env": "x", "features": [1, 2]}}')


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome(0, "fine", 0, []), None),
        (Outcome(4, "error: a line\n", 0, []), None),
        (Outcome(130, "SIGINT: stopped\n", 0, []), None),
        (Outcome(1, "Traceback (most recent call last):\n", 0, []), "traceback"),
        (Outcome(None, "", 0, [], "time"), "hang"),
        (Outcome(None, "", 0, [], "memory"), "over 2 GB"),
        (Outcome(0, "", 3 * 10**9, []), "over 2 GB"),
        (Outcome(4, "error: a\nerror: b\n", 0, []), "other output"),
        (Outcome(4, "", 0, []), "other output"),
        (Outcome(4, "error: a\n", 0, ["/elsewhere"]), "write outside"),
    ],
)
def test_faults_are_told_apart(outcome, name):
    assert hostile.fault(outcome) == name
