"""On what does a run run, and does it fit? Devices and memory; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxdqn.config import ConfigError, check_at_least

if TYPE_CHECKING:
    from jaxdqn.population import Layout, Members


@dataclass(frozen=True)
class Hardware:
    """Where members are trained, and how they are laid there."""

    devices: int | None = None
    """Devices to use, on a CPU its cores; by default as many as share the members evenly."""
    data_shards: int = 1
    """Devices that share one agent, each with its part of worlds, replay and batch."""
    together: int | None = None
    """Members computed at once on a device; by default 1 on a CPU, elsewhere all."""
    compilation_cache: bool = True
    """Keep compiled programs in the user's cache folder."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where this is one of several processes that share the members."""
    num_processes: int | None = None
    """How many they are."""
    process_id: int | None = None
    """Which of them this is, counted from 0."""
    distributed: bool = False
    """Let JAX find out these three from the cluster it runs in."""


def start(hardware: Hardware, *counts: int) -> None:
    """Starts JAX for populations of `counts` members; call before anything touches the backend."""
    for name in ("devices", "data_shards", "together"):
        if getattr(hardware, name) is not None:
            check_at_least(name, getattr(hardware, name), 1)
    from jaxdqn import population
    from jaxdqn.runs import platform, processes

    cores = platform.cores()
    shares = [n // (hardware.num_processes or 1) or 1 for n in counts]
    useful = max(population.num_devices(n, cores, hardware.data_shards) for n in shares)
    platform.configure(min(hardware.devices or useful, cores), hardware.compilation_cache)
    processes.start(
        hardware.coordinator, hardware.num_processes, hardware.process_id, hardware.distributed
    )
    platform.warn_of_lost_accelerator()
    import jax

    available = jax.local_device_count()
    if hardware.data_shards > 1 and processes.count() > 1:
        rule = "must be 1 where several processes share a run."
        raise ConfigError("data_shards", hardware.data_shards, rule)
    if hardware.devices is not None and hardware.devices > available:
        rule = f"must be at most {available}, all there are."
        raise ConfigError("devices", hardware.devices, rule)
    if hardware.data_shards > available:
        rule = f"must be at most the number of devices ({available})."
        raise ConfigError("data_shards", hardware.data_shards, rule)


def layout(hardware: Hardware, num_members: int) -> Layout:
    """Lays this process's share of the members on the devices that were asked for."""
    import jax

    from jaxdqn import population
    from jaxdqn.runs import processes

    if num_members % processes.count():
        rule = f"must be a divisor of the number of members ({num_members})."
        raise ConfigError("num_processes", processes.count(), rule)
    share = num_members // processes.count()
    devices = jax.local_devices()[: hardware.devices] if hardware.devices else None
    return population.layout(share, devices, hardware.data_shards, hardware.together)


def shares(hardware: Hardware) -> dict[str, int]:
    """How parts and processes share the members: their states are saved so, and a run keeps to it."""
    import jax

    from jaxdqn.runs import processes

    shared = {"data_shards": hardware.data_shards, "num_processes": processes.count()}
    if hardware.data_shards > 1:
        # Parts of members lie in the order of the devices.
        shared["devices"] = hardware.devices or jax.local_device_count()
    return shared


def plan(
    members: Members, layout: Layout, init: Callable[..., Any], option: str = "seeds"
) -> list[str]:
    """What will be trained where, and what memory it takes, a line each.

    `init` is that of one member, `(key, settings) -> session`; it is not run. Raises
    `ConfigError` of `option` where the members do not fit into the memory that is free.
    """
    import jax

    from jaxdqn.runs import processes

    # `[D, ...]`: the parts of one member.
    parts = jax.eval_shape(
        jax.vmap(init, in_axes=None, axis_name="data", axis_size=layout.data_shards),
        jax.random.key(0),
        members.one(0),
    )
    member, replay = _bytes(parts), _bytes(getattr(parts.state, "buffer", ()))
    device, num_devices = layout.mesh.devices.flat[0], layout.mesh.size
    on_cpu = device.platform == "cpu"
    shards = num_devices // layout.data_shards
    there = len(members) // processes.count() // shards
    # Mapped members are there before and after, and some on their way; under `vmap` they stay
    # where they are. A save is two copies more, on the host.
    mapped = layout.together is not None
    copies = 1 + mapped + 2 * on_cpu
    moving = min(layout.together or 0, there)
    free = _free_bytes(device) // (num_devices if on_cpu else 1)
    part = member / layout.data_shards
    at_work = part * (there * copies + moving)
    if at_work > free:
        most = max(int((free / part - moving) / copies), 0)
        fit = processes.count() * shards * most
        rule = f"must be at most {fit}, what fits into {_shown(free)} a device at {_shown(part * copies)} each."
        raise ConfigError(option, len(members), rule)
    kind = "CPU core" if on_cpu else device.device_kind
    where = f"{num_devices} {kind}{'s' * (num_devices > 1)}"
    ways = {1: "one after another", None: "all at once"}
    way = ways.get(layout.together, f"{layout.together} at once")
    shares = f", {layout.data_shards} to a member" if layout.data_shards > 1 else ""
    if processes.count() > 1:
        where = f"{processes.count()} processes with {where} each"
    shown = len(members), "member" + "s" * (len(members) > 1), where, shares, there, way
    return [
        "Plan: {} {} on {}{}; {} on each, {}.".format(*shown),
        f"Memory: {_shown(member)} a member, of it {_shown(replay)} replay; {_shown(member * len(members))} "
        f"in all; at work {_shown(at_work)} of {_shown(free)} free on each.",
    ]


def _bytes(tree: Any) -> int:
    """Of all leaves; a key's are those of its words."""
    import jax

    def of(leaf: Any) -> int:
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        return leaf.size * leaf.dtype.itemsize

    return sum(of(leaf) for leaf in jax.tree.leaves(tree))


def _free_bytes(device: Any) -> int:
    """Of the device; of the machine, for a CPU."""
    stats = None if device.platform == "cpu" else device.memory_stats()
    if stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    import psutil

    return psutil.virtual_memory().available


def _shown(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
