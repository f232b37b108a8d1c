"""How do many agents share the machine? Each keeps its own key; none sees another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxdqn.config import ConfigError, check_at_least

Settings = dict[str, Any]
"""Name of a float of `Config` -> number, or `[]` array: what one member has of its own."""
MEMBER, DATA = "member", "data"
"""Axes of the devices: along the first they train different members, along the second parts of
one (`jaxdqn.sharding`)."""
ONE_EACH = P(MEMBER)
"""Leaves `[S, ...]`: a value a member, the same for all its parts."""
ONE_A_PART = P((MEMBER, DATA))
"""Leaves `[S D, ...]`: a value for each part of a member. `Layout.row` says which is whose."""


@dataclass(frozen=True)
class Members:
    """S agents, told apart by seed and by settings."""

    seeds: Sequence[int]
    """`[S]`; a member's key is `jax.random.key(seed)`: the same alone and among others."""
    settings: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Name -> `[S]`. Data, not code: other values of them are the same program."""

    def __len__(self) -> int:
        return len(self.seeds)

    def keys(self) -> jax.Array:
        """`[S]`."""
        return keys(self.seeds)

    def values(self) -> Settings:
        """Name -> `[S]` float32."""
        return {name: jnp.asarray(v, jnp.float32) for name, v in self.settings.items()}

    def one(self, k: int) -> Settings:
        """The settings of member k, as numbers."""
        return {name: values[k] for name, values in self.settings.items()}


def keys(seeds: Sequence[int]) -> jax.Array:
    """`[S]` keys."""
    return jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))


class Layout(NamedTuple):
    """Which device trains which members, and how many of them at once."""

    mesh: Mesh
    """Axes `member` x `data`."""
    together: int | None
    """Members that a device computes at once: 1 maps them one after another, None is a
    `vmap` of all it has, what lies between is batches."""

    @property
    def data_shards(self) -> int:
        """Parts that each member is cut into (D)."""
        return self.mesh.shape[DATA]

    def row(self, member: int, num_members: int) -> int:
        """Where the first part of a member stands among leaves `[S D, ...]`."""
        each = num_members // self.mesh.shape[MEMBER]
        return member // each * each * self.data_shards + member % each


def layout(
    num_members: int,
    devices: Sequence[Any] | None = None,
    data_shards: int = 1,
    together: int | None = None,
) -> Layout:
    """Spreads members over `devices`, by default over as many of the local ones as divide them.

    By default a CPU maps members one after another, which is bit-equal to the member
    alone, and faster there than `vmap`; an accelerator takes all at once. Raises
    `ConfigError` where members, devices and parts do not divide.
    """
    check_at_least("data_shards", data_shards, 1)
    if devices is None:
        devices = jax.local_devices()[
            : num_devices(num_members, jax.local_device_count(), data_shards)
        ]
    if len(devices) % data_shards:
        rule = f"must divide the number of devices ({len(devices)})."
        raise ConfigError("data_shards", data_shards, rule)
    shards = len(devices) // data_shards
    if num_members % shards:
        times = (
            f"data_shards ({data_shards}) times a divisor of" if data_shards > 1 else "a divisor of"
        )
        rule = f"must be {times} the number of members ({num_members})."
        raise ConfigError("devices", len(devices), rule)
    if together is None and devices[0].platform == "cpu":
        together = 1
    if together is not None:
        check_at_least("together", together, 1)
    mesh = Mesh(np.asarray(devices).reshape(shards, data_shards), (MEMBER, DATA))
    return Layout(mesh, together)


def num_devices(num_members: int, available: int, data_shards: int = 1) -> int:
    """The most devices, of those available, that members can be spread over evenly."""
    shards = max(available // data_shards, 1)
    return data_shards * max(n for n in range(1, shards + 1) if num_members % n == 0)


def each(
    function: Callable[..., Any],
    layout: Layout,
    in_specs: Any = ONE_EACH,
    out_specs: Any = ONE_EACH,
) -> Callable[..., Any]:
    """`function` of one member as a function of all, laid out over devices.

    Nothing passes between members, so the program has no collective but those of
    `function` along the axis `data`. Mapped members are copied in and out once a
    call: let calls be long where the replay is large.
    """

    def on_one_device(*members: Any) -> Any:
        if layout.together == 1:
            return jax.lax.map(lambda member: function(*member), members)
        if layout.together is None:
            return jax.vmap(function)(*members)
        batch_size = layout.together
        return jax.lax.map(lambda member: function(*member), members, batch_size=batch_size)

    # Keys and rings as carries of a scan are beyond what `check_vma` can follow.
    return jax.shard_map(
        on_one_device, mesh=layout.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )
