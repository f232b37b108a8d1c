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
MEMBER = "member"
"""The axis of the mesh: its devices train different members."""
PER_MEMBER = P(MEMBER)
"""Leaves `[S, ...]`: one value per member, on the device that trains it."""


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
    """One axis, `MEMBER`."""
    vmap_size: int | None
    """Members that a device computes in one `vmap`: 1 maps them one after another, None takes all."""


def layout(
    num_members: int, devices: Sequence[Any] | None = None, vmap_size: int | None = None
) -> Layout:
    """Assigns members evenly to `devices`, by default to as many of each process as divide them evenly.

    By default a CPU maps members one after another, which is faster there than `vmap` and
    bit-identical to training a member alone; an accelerator computes all of them in one
    `vmap`. Raises `ConfigError` if members cannot be assigned evenly.
    """
    if devices is None:
        count, available = jax.process_count(), jax.local_device_count()
        devices = of_each_process(num_devices(num_members, available, count))
    if num_members % len(devices):
        rule = f"must be a divisor of the number of agents ({num_members})."
        raise ConfigError("devices", len(devices), rule)
    if vmap_size is None and devices[0].platform == "cpu":
        vmap_size = 1
    if vmap_size is not None:
        check_at_least("vmap_size", vmap_size, 1)
    return Layout(Mesh(np.asarray(devices), (MEMBER,)), vmap_size)


def num_devices(num_members: int, available: int, num_processes: int = 1) -> int:
    """The largest number of the `available` devices of each process to which members can be assigned evenly."""
    even = (n for n in range(1, available + 1) if num_members % (n * num_processes) == 0)
    return max(even, default=1)


def of_each_process(number: int) -> list[Any]:
    """The first `number` devices of each process, process after process."""
    by_process = itertools.groupby(jax.devices(), key=lambda device: device.process_index)
    return [device for _, own in by_process for device in itertools.islice(own, number)]


def each(function: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """Turns a `function` of one member into a function of all members, distributed by `layout`.

    The leaves of its arguments and results are `[S, ...]`. Members do not communicate. Mapped members
    are copied in and out once per call, so with large replays a call should take many iterations.
    """

    def on_one_device(*members: Any) -> Any:
        if layout.vmap_size == 1:
            return jax.lax.map(lambda member: function(*member), members)
        if layout.vmap_size is None:
            return jax.vmap(function)(*members)
        return jax.lax.map(lambda member: function(*member), members, batch_size=layout.vmap_size)

    # `check_vma` does not support typed keys and ring buffers as carries of a scan.
    return jax.shard_map(
        on_one_device,
        mesh=layout.mesh,
        in_specs=PER_MEMBER,
        out_specs=PER_MEMBER,
        check_vma=False,
    )
