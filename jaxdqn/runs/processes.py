"""Process groups: several processes, on one or more machines, that share the agents of a run.

Agents are independent, so each process trains and saves its own shard of them by a local
program. After each chunk the processes exchange their reports and their stop requests.
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
from jaxdqn.runs.errors import PROCESS_EXITED, RunError
from jaxdqn.runs.signals import stop_if_requested
from jaxdqn.training.population import Population

START_TIMEOUT = 60
"""Seconds that processes wait for each other at the start."""


class ProcessGroup(NamedTuple):
    """The processes of a run."""

    index: int = 0
    """Index of this process, from 0."""
    count: int = 1
    """Number of processes."""
    mesh: Mesh | None = None
    """One CPU device of each process, for collectives; None for a single process."""


_group = ProcessGroup()


def count() -> int:
    """Number of processes that share the run."""
    return _group.count


def index() -> int:
    """Index of this process, from 0."""
    return _group.index


def start(
    coordinator: str | None, num_processes: int | None, process_id: int | None, distributed: bool
) -> None:
    """Connects to the other processes, if there are any; call it before the backend of JAX starts.

    `coordinator` is HOST:PORT of process 0; with `distributed` JAX reads the first three from
    the cluster environment. Raises `ConfigError` if the options are invalid, `RunError` if the
    coordinator cannot be reached. If another process does not connect in time, JAX aborts this
    one with a message of its own.
    """
    if not _is_distributed(coordinator, num_processes, process_id, distributed):
        return
    if coordinator and process_id:
        _wait_for(coordinator)
    elif coordinator:
        _require_free_port(coordinator)
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, initialization_timeout=START_TIMEOUT
        )
    except (ValueError, RuntimeError) as error:
        option, value = ("coordinator", coordinator) if coordinator else ("distributed", True)
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(option, value, f"must connect the processes: {reason}") from None
    # JAX has replaced the handler of SIGTERM in C++; Python still knows the previous one.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    global _group
    firsts = {device.process_index: device for device in reversed(jax.devices("cpu"))}
    mesh = Mesh(np.array([firsts[k] for k in sorted(firsts)]), "process")
    _group = ProcessGroup(jax.process_index(), jax.process_count(), mesh)
    with _suppress_stdout():
        gather(np.zeros(1))
    # The connections that `gather` needs are open. Without the coordination service, the exit
    # of a process is an error in `gather`; the service would abort all others with long traces.
    jax.distributed.shutdown()
    # Otherwise Orbax would let all processes save together, into one directory.
    jax.process_count = lambda backend=None: 1  # pyright: ignore
    jax.process_index = lambda backend=None: 0  # pyright: ignore


def gather(tree: Any) -> Any:
    """Concatenates leaves `[S / P, ...]` of all processes into NumPy arrays `[S, ...]`, by process index.

    A collective: all processes must call it. Raises `RunError` if one of them has exited.
    """
    local = jax.device_get(tree)
    if _group.mesh is None:
        return local
    per_process = NamedSharding(_group.mesh, P("process"))
    try:
        shards = jax.tree.map(
            lambda x: jax.make_array_from_process_local_data(per_process, np.asarray(x)), local
        )
        combined = jax.jit(lambda x: x, out_shardings=NamedSharding(_group.mesh, P()))(shards)
        return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), combined)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"another process of the run has exited ({reason}). Checkpoints are kept; "
            "start all processes again with --resume.",
            PROCESS_EXITED,
        ) from None


def require_same(config: Any) -> None:
    """Raises `RunError` unless all processes were given the same `config`."""
    text = json.dumps(config, sort_keys=True, default=str)
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    others = gather(digest[None])
    different = [str(k) for k in range(len(others)) if (others[k] != others[0]).any()]
    if different:
        names = ", ".join(different)
        raise RunError(f"--process-id ({names}) must be given the same options as process 0.")


def shard(population: Population) -> Population:
    """The `[S / P]` agents that this process trains."""
    size = len(population) // count()
    own = slice(index() * size, (index() + 1) * size)
    hyperparameters = {name: x[own] for name, x in population.hyperparameters.items()}
    return Population(population.seeds[own], hyperparameters)


def own_directory(run_dir: Path | None) -> Path | None:
    """Run directory of this process: a subdirectory of `run_dir` if several processes share the run."""
    if count() == 1:
        return run_dir
    if run_dir is None:
        raise RunError("--run-dir (None) must be given if several processes share a run.")
    return run_dir / f"process-{index()}"


def shared_directory(own: Path) -> Path:
    """Inverse of `own_directory`: the value of `--run-dir`."""
    return own if count() == 1 else own.parent


def _is_distributed(
    coordinator: str | None, num_processes: int | None, process_id: int | None, distributed: bool
) -> bool:
    """Whether the options describe several processes; raises `ConfigError` if they are invalid."""
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    options = "--coordinator, --num-processes and --process-id"
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return distributed
    if distributed:
        raise ConfigError("distributed", True, f"must be given without {options}.")
    if coordinator is None or num_processes is None or process_id is None:
        raise ConfigError(missing[0], None, f"must be given: {options} belong together.")
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
    """Waits until the coordinator accepts connections; JAX would abort the process otherwise."""
    host, _, port = coordinator.rpartition(":")
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=START_TIMEOUT).close()
            return
        except OSError as error:
            stop_if_requested()
            if time.monotonic() > end:
                raise RunError(
                    f"--coordinator ({coordinator}) must be reachable; {error}.", PROCESS_EXITED
                ) from None
            time.sleep(0.1)


def _require_free_port(coordinator: str) -> None:
    """Raises `ConfigError` if the port of the coordinator is in use; JAX would crash otherwise."""
    host, _, port = coordinator.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        address_family, kind, *_, address = found[0]
        with socket.socket(address_family, kind) as test:
            test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            test.bind(address)
    except OSError as error:
        rule = f"must be a free port of this machine; {error}."
        raise ConfigError("coordinator", coordinator, rule) from None


@contextlib.contextmanager
def _suppress_stdout() -> Iterator[None]:
    """Redirects stdout to nowhere, also for C++: Gloo prints a line for each connection."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
