"""Populations: many independent agents trained in one program."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxdqn.config import ConfigError, check_at_least

Hyperparameters = dict[str, Any]
"""Name of a float of `Config` -> number or array: `[]` for one member, `[S]` for all."""
MEMBER, DATA = "member", "data"
"""Mesh axes. Devices along the first train different members, along the second shards of one
member (`jaxdqn.training.sharding`)."""
PER_MEMBER = P(MEMBER)
"""Leaves `[S, ...]`: one value per member, the same for all its shards."""
PER_SHARD = P((MEMBER, DATA))
"""Leaves `[S D, ...]`: one value per shard of each member, in the order of `Layout.row`."""


@dataclass(frozen=True)
class Population:
    """S members, which differ in their seeds and hyperparameters."""

    seeds: Sequence[int]
    """`[S]`, in [0, 2^32); the key of a member is `jax.random.key(seed)`, whatever the population."""
    hyperparameters: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Name -> `[S]`. They are inputs of the program: other values need no compilation."""

    def __len__(self) -> int:
        return len(self.seeds)

    def keys(self) -> jax.Array:
        """The keys `[S]` of the members."""
        return keys(self.seeds)

    def values(self) -> Hyperparameters:
        """Name -> `[S]` float32."""
        return {name: jnp.asarray(v, jnp.float32) for name, v in self.hyperparameters.items()}

    def one(self, k: int) -> Hyperparameters:
        """The hyperparameters of member k, as Python numbers."""
        return {name: values[k] for name, values in self.hyperparameters.items()}


def keys(seeds: Sequence[int]) -> jax.Array:
    """The keys `[S]` of `seeds [S]`."""
    return jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))


class Layout(NamedTuple):
    """The assignment of members to devices."""

    mesh: Mesh
    """Axes `member` x `data`."""
    vmap_size: int | None
    """Members that a device computes in one `vmap`: 1 maps them one after another, None takes all."""

    @property
    def data_shards(self) -> int:
        """Shards of each member (D)."""
        return self.mesh.shape[DATA]

    def row(self, member: int, num_members: int) -> int:
        """Index of the first shard of a member among leaves `[S D, ...]`."""
        each = num_members // self.mesh.shape[MEMBER]
        return member // each * each * self.data_shards + member % each


def layout(
    num_members: int,
    devices: Sequence[Any] | None = None,
    data_shards: int = 1,
    vmap_size: int | None = None,
) -> Layout:
    """Assigns members evenly to `devices`, by default to as many of each process as divide them evenly.

    By default a CPU maps members one after another, which is faster there than `vmap` and
    bit-identical to training a member alone; an accelerator computes all of them in one
    `vmap`. Raises `ConfigError` if members, devices and shards do not divide each other.
    """
    check_at_least("data_shards", data_shards, 1)
    if devices is None:
        count, available = jax.process_count(), jax.local_device_count()
        devices = of_each_process(num_devices(num_members, available, data_shards, count))
    if len(devices) % data_shards:
        rule = f"must divide the number of devices ({len(devices)})."
        raise ConfigError("data_shards", data_shards, rule)
    groups = len(devices) // data_shards
    if num_members % groups:
        factor = f"data_shards ({data_shards}) times " if data_shards > 1 else ""
        rule = f"must be {factor}a divisor of the number of agents ({num_members})."
        raise ConfigError("devices", len(devices), rule)
    if vmap_size is None and devices[0].platform == "cpu":
        vmap_size = 1
    if vmap_size is not None:
        check_at_least("vmap_size", vmap_size, 1)
    mesh = Mesh(np.asarray(devices).reshape(groups, data_shards), (MEMBER, DATA))
    return Layout(mesh, vmap_size)


def num_devices(
    num_members: int, available: int, data_shards: int = 1, num_processes: int = 1
) -> int:
    """The largest number of the `available` devices of each process to which members can be assigned evenly."""
    groups = range(1, max(available // data_shards, 1) + 1)
    even = (n for n in groups if num_members % (n * num_processes) == 0)
    return data_shards * max(even, default=1)


def of_each_process(number: int) -> list[Any]:
    """The first `number` devices of each process, process after process."""
    by_process = itertools.groupby(jax.devices(), key=lambda device: device.process_index)
    return [device for _, own in by_process for device in itertools.islice(own, number)]


def each(
    function: Callable[..., Any],
    layout: Layout,
    in_specs: Any = PER_MEMBER,
    out_specs: Any = PER_MEMBER,
) -> Callable[..., Any]:
    """Turns a `function` of one member into a function of all members, distributed by `layout`.

    `in_specs` and `out_specs` are `PER_MEMBER` (leaves `[S, ...]`) or `PER_SHARD` (leaves
    `[S D, ...]`), for each argument and result. Members do not communicate: the
    only collectives are those of `function` along the axis `data`. Mapped members are copied
    in and out once per call, so with large replays a call should take many iterations.
    """

    def on_one_device(*members: Any) -> Any:
        if layout.vmap_size == 1:
            return jax.lax.map(lambda member: function(*member), members)
        if layout.vmap_size is None:
            return jax.vmap(function)(*members)
        return jax.lax.map(lambda member: function(*member), members, batch_size=layout.vmap_size)

    # `check_vma` does not support typed keys and ring buffers as carries of a scan.
    return jax.shard_map(
        on_one_device, mesh=layout.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )
