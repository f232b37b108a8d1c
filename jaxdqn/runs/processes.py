"""Which part of a run is this process's, and how does it hear of the others'?

Members know nothing of each other, so each process trains and saves its own by a
local program. They meet once a chunk, to tell what was found and who was asked to stop.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.population import Members
from jaxdqn.runs.errors import LOST, RunError
from jaxdqn.runs.signals import stop_if_requested

PATIENCE = 60
"""Seconds that processes wait for each other at the start."""


class Company(NamedTuple):
    """The processes of a run."""

    index: int = 0
    """This one, from 0."""
    count: int = 1
    mesh: Mesh | None = None
    """A CPU device of each, over which they talk."""


_company = Company()


def count() -> int:
    """Processes that share the run."""
    return _company.count


def index() -> int:
    """Which of them this is, from 0."""
    return _company.index


def start(
    coordinator: str | None, num_processes: int | None, process_id: int | None, distributed: bool
) -> None:
    """Meets the other processes, if there are any; call before JAX' backend starts.

    `coordinator` is HOST:PORT of process 0; `distributed` lets JAX find all three out from
    the cluster. Raises `ConfigError` for what cannot be meant, `RunError` where nobody
    listens at the coordinator. If a process never comes, JAX ends those that wait
    for it, in words of its own.
    """
    if not _is_asked_for(coordinator, num_processes, process_id, distributed):
        return
    if coordinator and process_id:
        _wait_for(coordinator)
    elif coordinator:
        _require_free(coordinator)
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, initialization_timeout=PATIENCE
        )
    except (ValueError, RuntimeError) as error:
        option, value = ("coordinator", coordinator) if coordinator else ("distributed", True)
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(option, value, f"must let the processes meet: {reason}") from None
    # JAX has taken SIGTERM, below Python, which still knows whose it was.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    global _company
    firsts = {device.process_index: device for device in reversed(jax.devices("cpu"))}
    mesh = Mesh(np.array([firsts[k] for k in sorted(firsts)]), "process")
    _company = Company(jax.process_index(), jax.process_count(), mesh)
    with _silence():
        gather(np.zeros(1))
    # Connected now, they need the service no more that brought them together: it would
    # end those who lose one of them by pages of its own, where `gather` tells in a line.
    jax.distributed.shutdown()
    # Orbax asks these, and would have all processes save together, into one directory.
    jax.process_count = lambda backend=None: 1  # pyright: ignore
    jax.process_index = lambda backend=None: 0  # pyright: ignore


def gather(tree: Any) -> Any:
    """Leaves `[S / P, ...]` of every process as `[S, ...]`, NumPy's, in their order; all must call it.

    Raises `RunError` if one of them is gone.
    """
    local = jax.device_get(tree)
    if _company.mesh is None:
        return local
    one_each = NamedSharding(_company.mesh, P("process"))
    try:
        parts = jax.tree.map(
            lambda x: jax.make_array_from_process_local_data(one_each, np.asarray(x)), local
        )
        whole = jax.jit(lambda x: x, out_shardings=NamedSharding(_company.mesh, P()))(parts)
        return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), whole)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"another process of the run is gone ({reason}). What was saved is kept: "
            "start all of them again with --resume.",
            LOST,
        ) from None


def require_same(choices: Any) -> None:
    """Raises `RunError` unless all processes were given the same `choices`."""
    text = json.dumps(choices, sort_keys=True, default=str)
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    others = gather(digest[None])
    different = [str(k) for k in range(len(others)) if (others[k] != others[0]).any()]
    if different:
        names = ", ".join(different)
        raise RunError(f"--process-id ({names}) must be given the same choices as process 0.")


def share(members: Members) -> Members:
    """The members that this process trains, `[S / P]`."""
    size = len(members) // count()
    mine = slice(index() * size, (index() + 1) * size)
    settings = {name: values[mine] for name, values in members.settings.items()}
    return Members(members.seeds[mine], settings)


def own_directory(run_dir: Path | None) -> Path | None:
    """Where this process keeps the run: of several each has a directory of its own in `run_dir`."""
    if count() == 1:
        return run_dir
    if run_dir is None:
        raise RunError("--run-dir (None) must be given where several processes share a run.")
    return run_dir / f"process-{index()}"


def shared_directory(own: Path) -> Path:
    """The `--run-dir` that `own_directory` made `own` of."""
    return own if count() == 1 else own.parent


def _is_asked_for(
    coordinator: str | None, num_processes: int | None, process_id: int | None, distributed: bool
) -> bool:
    given = {
        "coordinator": coordinator,
        "num_processes": num_processes,
        "process_id": process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return distributed
    if distributed:
        raise ConfigError("distributed", True, "must stand alone: JAX finds out the rest.")
    if coordinator is None or num_processes is None or process_id is None:
        rule = f"must be given, as --{' --'.join(given)} are together.".replace("_", "-")
        raise ConfigError(missing[0], None, rule)
    host, colon, port = coordinator.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError("coordinator", coordinator, "must be HOST:PORT.")
    check_at_least("num_processes", num_processes, 1)
    check_at_least("process_id", process_id, 0)
    if process_id >= num_processes:
        rule = f"must be below num_processes ({num_processes})."
        raise ConfigError("process_id", process_id, rule)
    return num_processes > 1


def _wait_for(coordinator: str) -> None:
    """JAX aborts the process where nobody listens; look first."""
    host, _, port = coordinator.rpartition(":")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
            return
        except OSError as error:
            stop_if_requested()
            if time.monotonic() > end:
                raise RunError(
                    f"--coordinator ({coordinator}) must be reachable; {error}.", LOST
                ) from None
            time.sleep(0.1)


def _require_free(coordinator: str) -> None:
    """JAX crashes where somebody else listens at the port; look first."""
    host, _, port = coordinator.rpartition(":")
    try:
        family, kind, *_, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind(address)
    except OSError as error:
        rule = f"must be a free port of this machine; {error}."
        raise ConfigError("coordinator", coordinator, rule) from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Gloo announces each connection on stdout, below Python."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
