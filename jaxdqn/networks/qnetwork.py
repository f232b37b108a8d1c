"""Q-networks: a torso and a head, `obs [..., *obs] -> q [..., A]`."""

from collections.abc import Callable

import flax.linen as nn
import jax

from jaxdqn.networks import heads
from jaxdqn.networks.torso import MakeTorso

Head = Callable[[jax.Array, int, int | None], jax.Array]
"""`(features [..., F], num_actions, num_atoms) -> q`, `heads.linear` or `heads.dueling`."""


class QNetwork(nn.Module):
    """`q [..., A]`, or with `num_atoms` Z logits or quantiles `[..., A, Z]`."""

    torso: MakeTorso
    num_actions: int
    head: Head = heads.linear
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return self.head(self.torso()(obs), self.num_actions, self.num_atoms)
