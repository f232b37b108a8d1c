"""Hostile run directories: every field of every JSON file, and every file, replaced by something else."""

import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Place = tuple[str | int, ...]
"""Keys and indices from the root of a JSON value to a field."""
MISSING = object()
NESTED = "nested"
"""Stands for a hundred thousand brackets, which `json.dumps` cannot write."""
VALUES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "text": "x",
    "text with control sequences": "\x1b[31m\n\r\0",
    "empty list": [],
    "list of texts": ["x"],
    "empty object": {},
    "NaN": float("nan"),
    "infinity": float("inf"),
    "negative": -1,
    "zero": 0,
    "fraction": 0.5,
    "large": 10**9,
    "larger than an int32": 2**31,
    "huge": 10**30,
    "huge float": 1e308,
    "long list": [1] * 100_000,
    "list of large numbers": [10**9],
    "code": "os:abort",
    "nested": NESTED,
}


class Attack(NamedTuple):
    """A change of a run directory."""

    kind: str
    file: str
    """Path in the directory."""
    apply: Callable[[Path, Path], None]
    """`(file, outside)`, where `outside` is a directory that must not change."""


def fields(file: str, text: str) -> Iterator[Attack]:
    """An attack for each field of the JSON or JSON lines `text` of `file`, and each value."""
    lines = text.splitlines() if file.endswith(".jsonl") else [text]
    number = random.Random(file).randrange(len(lines))
    for place in _places(json.loads(lines[number])):
        for name, value in VALUES.items():

            def apply(path: Path, outside: Path, place: Place = place, value: Any = value) -> None:
                found = path.read_text()
                rows = found.splitlines() if file.endswith(".jsonl") else [found]
                rows[number] = _replaced(json.loads(rows[number]), place, value)
                path.write_text("\n".join(rows) + "\n")

            yield Attack(f"field: {name}", file, apply)


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = list(enumerate(value))[:1]
    for key, inner in items:
        yield from _places(inner, (*place, key))


def _replaced(root: Any, place: Place, value: Any) -> str:
    """The JSON text of `root` with `value` at `place`."""
    nested = "[" * 100_000 + "]" * 100_000
    if not place:
        root = {} if value is MISSING else value
    else:
        inner = root
        for key in place[:-1]:
            inner = inner[key]
        if value is MISSING:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
    return json.dumps(root).replace(f'"{NESTED}"', nested)


def _empty(path: Path, outside: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path, outside: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _missing(path: Path, outside: Path) -> None:
    path.unlink()


def _garbage(path: Path, outside: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(1_000))


def _sparse(path: Path, outside: Path) -> None:
    path.touch()
    os.truncate(path, 100_000_000_000)


def _pipe(path: Path, outside: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _folder(path: Path, outside: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "file").write_text("text")


def _link(target: str) -> Callable[[Path, Path], None]:
    def apply(path: Path, outside: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(outside / target)  # An absolute target replaces `outside`.

    return apply


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "empty": _empty,
    "truncated": _truncated,
    "missing": _missing,
    "random bytes": _garbage,
    "100 GB of zeros": _sparse,
    "pipe": _pipe,
    "directory": _folder,
    "link to a file elsewhere": _link("file"),
    "link to a directory elsewhere": _link("folder"),
    "link to nothing": _link("nothing"),
    "link to itself": lambda path, outside: _link(str(path))(path, outside),
    "link to /dev/zero": _link("/dev/zero"),
}
NEW = {name: KINDS[name] for name in KINDS if name not in ("truncated", "missing")}
"""Kinds of a file that the directory does not have."""


def replaced(folder: Path) -> Iterator[Attack]:
    """An attack for each file of a run, each that it will write, and each kind of replacement."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    for name in map(str, names):
        yield from (Attack(kind, name, apply) for kind, apply in KINDS.items())
        if "checkpoints" not in name:
            partial = f"{name}.partial"
            yield from (Attack(kind, partial, apply) for kind, apply in NEW.items())
    for name in (
        "watch.gif",
        "watch.gif.partial",
        "track.json",
        "checkpoints/99",
        "sweep.png.partial",
    ):
        if (folder / name).parent.is_dir():
            yield from (Attack(kind, name, apply) for kind, apply in NEW.items())
    for path in folder.rglob("*"):
        if path.is_dir():
            name = str(path.relative_to(folder))
            yield Attack("directory is a link elsewhere", name, _folder_link)


def _folder_link(path: Path, outside: Path) -> None:
    path.rename(path.with_name(path.name + ".moved"))
    path.symlink_to(outside / "folder")


def policies(file: str) -> Iterator[Attack]:
    """Attacks on the arrays of a policy."""

    def change(arrays: dict[str, np.ndarray], name: str) -> dict[str, Any]:
        first = next(iter(arrays))
        return {
            "array missing": {k: x for k, x in arrays.items() if k != first},
            "array of another shape": arrays | {first: np.zeros((3, 3), np.float32)},
            "array of another dtype": arrays | {first: arrays[first].astype(np.float64)},
            "array of objects": arrays | {first: np.array([{}], object)},
            "another array": arrays | {"../../x": np.zeros(1)},
            "NaN": {k: np.full_like(x, np.nan) for k, x in arrays.items()},
        }[name]

    for name in (
        "array missing",
        "array of another shape",
        "array of another dtype",
        "array of objects",
        "another array",
        "NaN",
    ):

        def apply(path: Path, outside: Path, name: str = name) -> None:
            with np.load(path) as arrays:
                changed = change(dict(arrays), name)
            np.savez(path, **changed)

        yield Attack(f"policy: {name}", file, apply)
    yield Attack("policy: zeros that unpack to 2 GB", file, _bomb)
    yield Attack("policy: header of 10^9 columns", file, _false_header)


def _bomb(path: Path, outside: Path) -> None:
    with np.load(path) as arrays:
        names = list(arrays)
    block = b"\0" * 10_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names[:1]:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as array:
                for _ in range(200):
                    array.write(block)


def _false_header(path: Path, outside: Path) -> None:
    with np.load(path) as arrays:
        changed = dict(arrays)
    with zipfile.ZipFile(path, "w") as archive:
        for name, x in changed.items():
            file = io.BytesIO()
            shape = (*x.shape[:-1], 10**9)
            header = {"descr": x.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            archive.writestr(f"{name}.npy", file.getvalue())


def all_of(folder: Path) -> list[Attack]:
    """All attacks on the run or sweep in `folder`."""
    found = list(replaced(folder))
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".json", ".jsonl"):
            found += fields(name, path.read_text())
        elif path.name in ("_CHECKPOINT_METADATA", "_METADATA"):
            found += fields(name, path.read_text())
        elif path.suffix == ".npz":
            found += policies(name)
    return found
