"""Maps of the official engine, read once from its seeds by `experiments/lux/maps.py`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FILE = Path(__file__).parent / "maps.npz"
SIZES = (12, 16)
SPLITS = ("train", "test")


class Maps(NamedTuple):
    """M maps of `C = size²` cells, in the order of `board`."""

    seed: np.ndarray
    """`[M]` int32, of the engine."""
    kind: np.ndarray
    """`[M, C]` uint8, `rules.WOOD` and so on."""
    amount: np.ndarray
    """`[M, C]` uint16."""
    home: np.ndarray
    """`[M]` int32, the cell of the first city tile and worker of team 0."""
    opponent: np.ndarray
    """`[M]` int32, that of team 1."""


def load(size: int = 12, split: str = "train") -> Maps:
    """The maps of a size for training or for tests, which share no seed.

    Raises `ValueError` for other sizes and splits.
    """
    if size not in SIZES:
        raise ValueError(f"size ({size}) must be one of {SIZES}.")
    if split not in SPLITS:
        raise ValueError(f"split ({split}) must be one of {SPLITS}.")
    with np.load(FILE) as data:
        return Maps(*(data[f"{split}_{size}_{field}"] for field in Maps._fields))
