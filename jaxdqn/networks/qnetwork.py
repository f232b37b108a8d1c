"""Q-networks: a torso and a head, `obs [..., *obs] -> q [..., A]`."""

import flax.linen as nn
import jax

from jaxdqn.networks import heads
from jaxdqn.networks.torso import MakeTorso


class QNetwork(nn.Module):
    """`q [..., A]`, or with `num_atoms` Z logits or quantiles `[..., A, Z]`."""

    torso: MakeTorso
    num_actions: int
    head: heads.Head = heads.linear
    """`heads.linear`, `heads.hidden(width)` or `heads.dueling(width)`."""
    num_atoms: int | None = None

    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return self.head(self.torso(name="torso")(obs), self.num_actions, self.num_atoms)
