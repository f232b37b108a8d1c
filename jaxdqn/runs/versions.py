"""Versions of what determines the numbers of a run."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import jax

PACKAGES = ("jaxdqn", "jax", "jaxlib", "flax", "optax", "gymnax", "orbax-checkpoint", "numpy")
"""Packages whose versions `config.json` records."""


def found() -> dict[str, str]:
    """Of Python, of the packages that determine the numbers of a run, and the kind of device."""
    versions = {"python": platform.python_version(), "device": jax.devices()[0].device_kind}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def git_revision() -> str | None:
    """The commit of this package, with `-dirty` if files were changed; None outside of its repository."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # Installed, perhaps into a folder of another repository.
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
