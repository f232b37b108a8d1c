"""Training of many seeds in groups, with a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxdqn.runs import signals
from jaxdqn.training import population

MAX_SEEDS = 25
"""Seeds that a device trains between two updates of the progress bar."""


def train(
    function: Callable[[jax.Array], Any], seeds: Sequence[int], title: str, kept: str
) -> Iterator[tuple[Sequence[int], Any]]:
    """Yields groups of seeds and the results `[S, ...]` of `function(key)` for each group.

    Raises `RunError` with the message `kept` between two groups if the process was asked to stop.
    """
    groups = list(groups_of(seeds, jax.local_device_count()))
    program = jax.jit(population.each(function, population.layout(len(groups[0]))))
    with tqdm(total=len(seeds), desc=title, unit="seed", leave=False) as bar:
        for group in groups:
            signals.stop_if_requested(kept)
            yield group, jax.tree.map(np.asarray, program(population.keys(group)))
            bar.update(len(group))


def groups_of(seeds: Sequence[int], num_devices: int) -> Iterator[Sequence[int]]:
    """Groups of equal size, each of which can be divided evenly among devices."""
    devices = population.num_devices(len(seeds), num_devices)
    each = len(seeds) // devices
    size = devices * max(n for n in range(1, MAX_SEEDS + 1) if each % n == 0)
    for start in range(0, len(seeds), size):
        yield seeds[start : start + size]
