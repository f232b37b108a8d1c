"""Packs a trained policy into the archive that Kaggle asked for, which needs Python and NumPy alone.

python experiments/lux/submission.py runs/lux
"""

import dataclasses
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util

from experiments.lux import network, play
from jaxdqn.runs import cli, trained
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.trained import TrainedPolicy

ROOT = Path(__file__).parents[2]
FILES = {
    "experiments/lux/kaggle.py": "main.py",
    "experiments/lux/network.py": "experiments/lux/network.py",
    "experiments/lux/observation.py": "experiments/lux/observation.py",
    "experiments/lux/orders.py": "experiments/lux/orders.py",
    "experiments/lux/position.py": "experiments/lux/position.py",
    "experiments/lux/team.py": "experiments/lux/team.py",
    "jaxdqn/envs/lux/rules.py": "jaxdqn/envs/lux/rules.py",
}
"""Files of this repository, and their names in the archive."""
EMPTY = "jaxdqn/__init__.py", "jaxdqn/envs/__init__.py", "jaxdqn/envs/lux/__init__.py"
WEIGHTS = "experiments/lux/policy.npz"


@dataclasses.dataclass(frozen=True)
class Args(trained.Args):
    """Packs a trained policy into an archive for Kaggle."""

    out: Path = Path("submission.tar.gz")
    """The archive."""


def pack(path: Path, policy: TrainedPolicy) -> None:
    """Writes the archive. Raises `RunError` if the network is none of `network.q_values`."""
    contents = {name: (ROOT / source).read_bytes() for source, name in FILES.items()}
    contents |= dict.fromkeys(EMPTY, b"")
    contents[WEIGHTS] = weights(policy)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def weights(policy: TrainedPolicy) -> bytes:
    """The parameters as an npz file, by the names of `network.q_values`; errors as in `pack`."""
    obs = np.random.default_rng(0).integers(0, 256, policy.recipe.obs(1).shape[1:], np.uint8)
    try:
        params = traverse_util.flatten_dict(policy.params["params"], sep="/")
        arrays: dict[str, Any] = {name: np.asarray(x) for name, x in params.items()}
        arrays[network.SCALE] = np.asarray(policy.recipe.obs_scale, np.float32)
        same = np.allclose(network.q_values(arrays, obs), policy.q_values(obs), 1e-3, 1e-3)
    except (KeyError, TypeError, ValueError):
        same, arrays = False, {}
    if not same:
        rule = "has another network than convolutions and a linear head"
        raise RunError(f"The agent {policy.recipe.agent_name} {rule}; train with --agent pqn.")
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def main(args: Args) -> None:
    """Writes the archive."""
    pack(args.out, play.load(args.run_dir, args.which, args.policy_seed))
    cli.say(f"{cli.short(args.out)}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    cli.main(Args, main)
