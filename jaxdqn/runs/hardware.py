"""Devices and memory of a run: options, layout, and the check that a population fits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import psutil

from jaxdqn.config import ConfigError, check_at_least
from jaxdqn.runs import platform, processes
from jaxdqn.training import population
from jaxdqn.training.population import Layout, Population


@dataclass(frozen=True)
class Hardware:
    """Devices and processes of a run."""

    devices: int | None = None
    """Number of devices, on a CPU of cores; by default the largest number that divides the number of agents."""
    vmap_size: int | None = None
    """Agents that a device computes in one vmap; by default 1 on a CPU, all of them elsewhere."""
    threads: int = 1
    """Threads per device of a CPU; more pay for convolutional networks and few seeds, and change rounding."""
    compilation_cache: bool = True
    """Keep compiled programs in the cache directory of the user."""
    coordinator: str | None = None
    """Address HOST:PORT of process 0, if several processes share the run."""
    num_processes: int | None = None
    """Number of processes that share the run; at least 1."""
    process_id: int | None = None
    """Index of this process; at least 0 and below --num-processes."""
    distributed: bool = False
    """Let JAX read coordinator, number and index of processes from the cluster environment."""


def start(hardware: Hardware, *counts: int) -> None:
    """Configures JAX for populations of `counts` agents; call it before anything uses the backend.

    Raises `ConfigError` for invalid values and unavailable devices, `RunError` if the coordinator
    cannot be reached. Prints a warning if an accelerator is not used.
    """
    for name in ("devices", "vmap_size", "threads"):
        if getattr(hardware, name) is not None:
            check_at_least(name, getattr(hardware, name), 1)
    cores = platform.cores()
    useful = max(population.num_devices(n, cores, hardware.num_processes or 1) for n in counts)
    devices = min(hardware.devices or useful, cores)
    platform.configure(devices, hardware.compilation_cache, hardware.threads)
    processes.start(
        hardware.coordinator, hardware.num_processes, hardware.process_id, hardware.distributed
    )
    platform.start_backend()
    platform.warn_of_unused_accelerator()
    available = jax.local_device_count()
    if hardware.devices is not None and hardware.devices > available:
        rule = f"must be at most the number of devices ({available})."
        raise ConfigError("devices", hardware.devices, rule)


def layout(hardware: Hardware, num_agents: int) -> Layout:
    """Assigns the agents to the devices of each process that were asked for."""
    if num_agents % processes.count():
        rule = f"must be a divisor of the number of agents ({num_agents})."
        raise ConfigError("num_processes", processes.count(), rule)
    devices = population.of_each_process(hardware.devices) if hardware.devices else None
    return population.layout(num_agents, devices, hardware.vmap_size)


def plan(
    agents: Population, layout: Layout, init: Callable[..., Any], option: str = "seeds"
) -> list[str]:
    """Lines that say what will be trained on which devices, and the memory that it takes.

    `init` is `(key, hyperparameters) -> session` of one agent; only its shapes are computed.
    Raises `ConfigError` for `option` if the agents do not fit into the free memory.
    """
    one = jax.eval_shape(init, jax.random.key(0), agents.one(0))
    agent_bytes, replay_bytes = _bytes(one), _bytes(_buffers(one))
    device, num_devices = layout.mesh.local_devices[0], len(layout.mesh.local_devices)
    on_cpu = device.platform == "cpu"
    per_device = len(agents) // layout.mesh.size
    # Mapped agents exist before and after a call, and some in transit; under `vmap` they stay
    # in place. A checkpoint takes two more copies on the host.
    mapped = layout.vmap_size is not None
    copies = 1 + mapped + 2 * on_cpu
    in_transit = min(layout.vmap_size or 0, per_device)
    free = _free_bytes(device) // (num_devices if on_cpu else 1)
    needed = agent_bytes * (per_device * copies + in_transit)
    if needed > free:
        most = max(int((free / agent_bytes - in_transit) / copies), 0)
        fit = layout.mesh.size * most
        size = f"{shown(free)} per device, at {shown(agent_bytes * copies)} each"
        raise ConfigError(option, len(agents), f"must be at most {fit} to fit into {size}.")
    kind = "CPU core" if on_cpu else device.device_kind
    where = f"{num_devices} {kind}{'s' * (num_devices > 1)}"
    if processes.count() > 1:
        where = f"{processes.count()} processes with {where} each"
    orders = {1: "one after another", None: "in one vmap"}
    order = orders.get(layout.vmap_size, f"in vmaps of {layout.vmap_size}")
    noun = "agent" + "s" * (len(agents) > 1)
    return [
        f"Plan: {len(agents)} {noun} on {where}; {per_device} per device, {order}.",
        f"Memory: {shown(agent_bytes)} per agent, of which replay {shown(replay_bytes)}; "
        f"{shown(agent_bytes * len(agents))} in total; {shown(needed)} of {shown(free)} free per device.",
    ]


def program_bytes(programs: Iterable[Any], layout: Layout) -> tuple[float, float]:
    """Memory per device of the largest of compiled `programs`, as XLA reports it, and the free memory per device.

    Includes the two copies of a checkpoint on the host, which on a CPU take the same memory.
    """
    device, num_devices = layout.mesh.local_devices[0], len(layout.mesh.local_devices)
    on_cpu = device.platform == "cpu"
    sizes = [0]
    for program in programs:
        size = program.memory_analysis()
        if size is not None:
            own = size.argument_size_in_bytes + size.output_size_in_bytes - size.alias_size_in_bytes
            sizes.append(own + size.temp_size_in_bytes + 2 * on_cpu * size.argument_size_in_bytes)
    return max(sizes), _free_bytes(device) / (num_devices if on_cpu else 1)


def _buffers(tree: Any) -> list[Any]:
    """The field `buffer` of each state of a trainer in `tree`, at any depth."""

    def is_state(node: Any) -> bool:
        return hasattr(node, "buffer")

    return [node.buffer for node in jax.tree.leaves(tree, is_leaf=is_state) if is_state(node)]


def _bytes(tree: Any) -> int:
    """Size of all leaves; a key counts as its key data."""

    def size(leaf: Any) -> int:
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        return leaf.size * leaf.dtype.itemsize

    return sum(size(leaf) for leaf in jax.tree.leaves(tree))


def _free_bytes(device: Any) -> int:
    """Free memory of the device; for a CPU, of the machine."""
    stats = None if device.platform == "cpu" else device.memory_stats()
    if stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available


def shown(size: float) -> str:
    """A number of bytes for the user."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
