"""How is a run kept? The only module that knows Orbax."""

import logging
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from jaxdqn.runs.errors import DAMAGED, RunError

BEST = "greedy_return"


class Checkpoints:
    """The saved states of one run, numbered by the chunk they were saved after.

    Keeps the last `keep` and the best one. Saving is asynchronous: `save` returns
    once the state is copied to the host, so it may be donated right after.
    """

    def __init__(self, path: Path, keep: int) -> None:
        # Orbax tells every deletion as a warning.
        logging.getLogger("absl").setLevel(logging.ERROR)
        policies = ocp.training.preservation_policies
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics[BEST], n=1, keep_checkpoints_without_metrics=False
        )
        self._checkpointer = ocp.training.Checkpointer(
            path.absolute(),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), best]),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        """Waits for the save under way."""
        self._checkpointer.close()

    def save(self, chunk: int, state: Any, rows: list[Any], greedy_return: float) -> None:
        """Begins to save `state`, whose leaves must all be `jax.Array`s, and the log's `rows` so far."""
        metrics = {BEST: greedy_return}
        self._checkpointer.save_async(
            chunk, state, metrics=metrics, custom_metadata={"rows": list(rows)}
        )

    def restore(self, template: Any) -> tuple[int, Any, list[Any]]:
        """The chunk, the state, shaped like `template`, and the rows of the newest usable save.

        One that cannot be read is passed over, and said to be, in favour of the one
        before. Raises `RunError` where none is left, or where the newest readable
        one has other leaves than `template`.
        """
        saved = sorted(self._checkpointer.checkpoints, key=lambda c: c.step, reverse=True)
        for checkpoint in saved:
            try:
                metadata = self._checkpointer.metadata(checkpoint)
                found = metadata.metadata
            except Exception as error:
                _pass_over(checkpoint.step, error)
                continue
            _require_same_leaves(self._checkpointer.directory, found, template)
            try:
                state = self._checkpointer.load(checkpoint, template)
                return checkpoint.step, state, metadata.custom_metadata["rows"]
            except Exception as error:
                _pass_over(checkpoint.step, error)
        raise RunError(
            f"{self._checkpointer.directory} holds no usable checkpoint ({len(saved)} tried).",
            DAMAGED,
        )


def save_policy(path: Path, params: Any) -> None:
    """Writes parameters alone, in place of those that were there."""
    ocp.save(path.absolute(), params, overwrite=True)


def load_policy(path: Path, template: Any) -> Any:
    """Parameters shaped like `template`; raises `RunError` where they are missing or of another network."""
    try:
        found = ocp.metadata(path.absolute()).metadata
    except Exception:
        raise RunError(f"{path} holds no policy that can be read.", DAMAGED) from None
    _require_same_leaves(path, found, template)
    return ocp.load(path.absolute(), template)


def _pass_over(step: int, error: Exception) -> None:
    reason = str(error).strip().split("\n")[0]
    print(f"warning: checkpoint {step} cannot be read and is passed over: {reason}")


def _require_same_leaves(path: Path, found: Any, template: Any) -> None:
    """Orbax casts a wrong dtype silently and reports a wrong shape as a missing key: compare first."""
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
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return f"{leaf.dtype}{list(leaf.shape)}"

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): describe(leaf)
        for path, leaf in leaves
    }
