"""Reads maps from the official engine and writes the data file of `jaxdqn.envs.lux.maps`.

python experiments/lux/maps.py
"""

import dataclasses

import numpy as np

from experiments.lux import engine
from experiments.lux.position import KINDS
from jaxdqn.envs.lux import maps
from jaxdqn.runs import cli, signals

SEEDS = {
    (12, "test"): range(100),
    (16, "test"): range(50),
    (12, "train"): range(1_000, 2_000),
    (16, "train"): range(1_000, 1_300),
}


def read(lux: engine.Engine, size: int, seeds: range) -> maps.Maps:
    """The maps of these seeds."""
    rows = []
    for seed in seeds:
        position = lux.start(seed, size)
        kind, amount = np.zeros(size**2, np.uint8), np.zeros(size**2, np.uint16)
        for (x, y), (name, found) in position.resources.items():
            kind[y * size + x] = KINDS.index(name) + 1
            amount[y * size + x] = found
        cells = {}
        for city in position.cities.values():
            ((x, y),) = city.tiles
            cells[city.team] = y * size + x
        rows.append((seed, kind, amount, cells[0], cells[1]))
    seed, kind, amount, home, opponent = zip(*rows, strict=True)
    return maps.Maps(
        np.array(seed, np.int32),
        np.stack(kind),
        np.stack(amount),
        np.array(home, np.int32),
        np.array(opponent, np.int32),
    )


@dataclasses.dataclass(frozen=True)
class Args:
    """Reads maps from the official engine and writes the data file of the package."""


@signals.ending_at_once("stopped.")
def main(args: Args) -> None:
    """Writes the file."""
    arrays = {}
    with engine.run() as lux:
        for (size, split), seeds in SEEDS.items():
            found = read(lux, size, seeds)
            arrays |= {f"{split}_{size}_{field}": x for field, x in found._asdict().items()}
    np.savez_compressed(maps.FILE, **arrays)
    cli.say(f"{maps.FILE}: {maps.FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    cli.main(Args, main)
