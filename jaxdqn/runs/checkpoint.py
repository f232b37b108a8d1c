"""How is a run kept? The only module that knows Orbax."""

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs.errors import DAMAGED, RunError
from jaxdqn.runs.logs import Row

UNFINISHED = ".orbax-checkpoint-tmp"
"""In the name of a directory that Orbax is writing, or that we are deleting."""


class Checkpoints:
    """The saved states of one run, each in a directory named by the chunk it was saved after.

    Keeps the last `keep` and the best one. Saving is asynchronous: `save` returns
    once the state is copied to the host, so it may be donated right after. (Orbax'
    own manager of such directories cannot be used: it raises before it is built
    when any one of them is damaged.)
    """

    def __init__(self, path: Path, keep: int, score: Callable[[Row], float]) -> None:
        """`score(row)` says how good the state was whose chunk that row of the log tells about."""
        # Orbax logs what we say ourselves, in tens of lines.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._path = path.absolute()
        self._keep = keep
        self._score = score
        self._saving: Any = None
        self._rows: list[Any] = []
        self._path.mkdir(exist_ok=True)
        for left_by_a_crash in self._path.glob(f"*{UNFINISHED}*"):
            shutil.rmtree(left_by_a_crash)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        """Waits for the save under way."""
        self._finish()

    def chunks(self, most: int | None = None) -> list[int]:
        """The chunks that were saved and kept, in order, up to `most`; not yet the one being saved."""
        found = (int(path.name) for path in self._path.iterdir() if path.name.isdecimal())
        return sorted(chunk for chunk in found if most is None or chunk <= most)

    def save(self, chunk: int, state: Any, rows: list[Row]) -> None:
        """Begins to save `state`, whose leaves must all be `jax.Array`s, and the log's `rows` so far."""
        self._finish()
        self._rows = list(rows)
        path, metadata = str(self._path / str(chunk)), cast(Any, {"rows": self._rows})
        host = _on_host(state)
        with _own_files():
            self._saving = ocp.save_async(path, host, overwrite=True, custom_metadata=metadata)

    def restore(self, template: Any, most: int | None = None) -> tuple[int, Any, list[Row]]:
        """The chunk, the state, shaped like `template`, and the rows of the newest usable save up to `most`.

        One that cannot be read is passed over, and said to be, in favour of the one
        before. Raises `RunError` where none is left, or where the newest readable
        one has other leaves than `template`.
        """
        chunks = self.chunks(most)
        for chunk in reversed(chunks):
            path = self._path / str(chunk)
            try:
                metadata: Any = ocp.metadata(str(path))
                _require_same_leaves(path, metadata.metadata, template)
                state = _like(template, ocp.load(str(path), _on_host(template)))
                return chunk, state, metadata.custom_metadata["rows"]
            except RunError:
                raise
            except Exception as error:
                message = f"warning: {path} cannot be read and is passed over: {_line(error)}"
                print(message, file=sys.stderr)
        raise RunError(f"{self._path} holds no usable checkpoint, {len(chunks)} tried.", DAMAGED)

    def _finish(self) -> None:
        """Waits for the save under way, then drops what need not be kept."""
        if self._saving is None:
            return
        self._saving.result()
        self._saving = None
        score = {row["chunk"]: self._score(row) for row in self._rows}
        # One ahead of the log was passed over by `restore`; it is not ours to judge.
        chunks = [chunk for chunk in self.chunks() if chunk in score]
        kept = {*chunks[-self._keep :], max(chunks, key=lambda chunk: (score[chunk], chunk))}
        for chunk in set(chunks) - kept:
            # Renamed first: half of a directory must not look like a whole one.
            doomed = self._path / f"{chunk}{UNFINISHED}"
            (self._path / str(chunk)).rename(doomed)
            shutil.rmtree(doomed)


def save_policy(path: Path, params: Any) -> None:
    """Writes parameters alone, in place of those that were there."""
    with _own_files():
        ocp.save(str(path.absolute()), _on_host(params), overwrite=True)


def load_policy(path: Path, template: Any) -> Any:
    """Parameters shaped like `template`; raises `RunError` where they are missing or of another network."""
    try:
        metadata: Any = ocp.metadata(str(path.absolute()))
        _require_same_leaves(path, metadata.metadata, template)
        return _like(template, ocp.load(str(path.absolute()), _on_host(template)))
    except RunError:
        raise
    except Exception as error:
        raise RunError(
            f"{path} holds no policy that can be read: {_line(error)}", DAMAGED
        ) from None


def _own_files() -> ocp.Context:
    """Every process writes all of its files, not only the first of several."""
    return ocp.Context(
        multiprocessing_options=ocp.options.MultiprocessingOptions(primary_host=None)
    )


def _on_host(tree: Any) -> Any:
    """NumPy's copies, of keys their words: what is saved says nothing of devices and processes.

    Copies, since on a CPU a view would keep the state from being donated.
    """
    return jax.tree.map(lambda leaf: np.array(_words(leaf)), tree)


def _like(template: Any, host: Any) -> Any:
    """What `_on_host` made of a tree, again on the devices of `template`."""

    def put(leaf: jax.Array, saved: Any) -> jax.Array:
        saved = jax.device_put(saved, _words(leaf).sharding)
        return jax.random.wrap_key_data(saved) if _is_key(leaf) else saved

    return jax.tree.map(put, template, host)


def _words(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".split("\n")[0]


def _require_same_leaves(path: Path, found: Any, template: Any) -> None:
    """Orbax casts a wrong dtype silently and reports a wrong shape as a missing key: compare first."""
    if found is None:
        raise ValueError("its metadata is damaged")
    saved, wanted = _leaves(found), _leaves(template)
    differences = [
        f"{name} is {saved.get(name, 'missing')}, not {wanted.get(name, 'wanted')}"
        for name in sorted(saved.keys() | wanted.keys())
        if saved.get(name) != wanted.get(name)
    ]
    if differences:
        shown = "; ".join(differences[:3]) + ("; ..." if len(differences) > 3 else "")
        raise RunError(f"{path} was saved by another program: {shown}.", DAMAGED)


def _leaves(tree: Any) -> dict[str, str]:
    """Name -> dtype and shape. Of a random key, those of its words: so Orbax stores it."""

    def describe(leaf: Any) -> str:
        leaf = _words(leaf) if isinstance(leaf, jax.Array) else leaf
        return f"{leaf.dtype}{list(leaf.shape)}"

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): describe(leaf)
        for path, leaf in leaves
    }
