"""Several processes, on one or more machines, that train the agents of a run together by `jax.distributed`.

All execute the same programs on one mesh over the devices of all, and save one checkpoint together;
process 0 alone writes the other files and talks to the user.
"""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.runs.errors import PROCESS_EXITED, RunError
from jaxdqn.runs.signals import stop_if_requested

START_TIMEOUT = 60
"""Seconds that processes wait for each other at the start."""
HEARTBEAT_TIMEOUT = 10
"""Seconds after which JAX ends the others if one no longer answers."""


def count() -> int:
    """Number of processes that share the run."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def index() -> int:
    """Index of this process, from 0."""
    return jax.process_index() if jax.distributed.is_initialized() else 0


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
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=START_TIMEOUT,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
        )
    except (ValueError, RuntimeError) as error:
        option, value = ("coordinator", coordinator) if coordinator else ("distributed", True)
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(option, value, f"must connect the processes: {reason}") from None
    # JAX has replaced the handler of SIGTERM in C++; Python still knows the previous one.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


def gather(tree: Any) -> Any:
    """NumPy arrays of all processes: of a global array all of it, of local ones `[...]` all, along the first axis.

    A collective: all processes must call it. Raises `RunError` if one of them has exited.
    """
    with others_present():
        return multihost_utils.process_allgather(tree, tiled=True)


@contextlib.contextmanager
def others_present() -> Iterator[None]:
    """Turns an error of JAX or Orbax in the block, which says that another process has exited, into `RunError`."""
    try:
        yield
    except (RuntimeError, ValueError, TimeoutError) as error:
        of_others = isinstance(error, jax.errors.JaxRuntimeError | TimeoutError)
        if count() == 1 or not (of_others or "Gloo" in str(error)):
            raise
        reason = str(error).splitlines()[0]
        raise RunError(
            f"another process of the run has exited ({reason}). Checkpoints are kept; "
            "start all processes again with --resume.",
            PROCESS_EXITED,
        ) from None


def wait() -> None:
    """Returns when all processes have called it; raises as `gather` does."""
    gather(np.zeros(1))


def require_same(options: Mapping[str, Any]) -> None:
    """Raises `ConfigError`, which names the differences, unless all processes have the same `options`."""
    text = json.dumps(options, default=str).encode()
    padded = text.ljust(int(max(gather(np.array([len(text)])))))
    first, *others = [json.loads(bytes(x)) for x in gather(np.frombuffer(padded, np.uint8)[None])]
    for process, other in enumerate(others, start=1):
        if other != first:
            names = sorted(name for name in first if other.get(name) != first[name])
            found = ", ".join(f"{name} {other.get(name)}, not {first[name]}" for name in names)
            rule = f"must be given the same options and versions as process 0; it has {found}."
            raise ConfigError("process_id", process, rule)


def require_shared(run_dir: Path | None) -> None:
    """Raises `ConfigError` if several processes have no `run_dir` to share."""
    if count() > 1 and run_dir is None:
        raise ConfigError("run_dir", None, "must be given if several processes share a run.")


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
