"""Rainbow, Hessel et al. (2018), arXiv:1710.02298."""

import jax

from jaxdqn import targets
from jaxdqn.agents.agent import Agent, Network
from jaxdqn.agents.c51 import c51
from jaxdqn.agents.noisy import noisy


def rainbow(network: Network, support: jax.Array, initial_scale: float = 0.5) -> Agent:
    """Noisy C51 with double Q-learning, the part of Rainbow that belongs to the agent.

    For all of Rainbow, `network` is a `networks.QNetwork` with `heads.dueling` and as many atoms as
    `support [Z]`, and the replay is `replay.prioritized(..., n_step=3, alpha=0.5)` with a `beta` that
    rises from 0.4 to 1.
    """
    return noisy(c51(network, support, targets.double_action), initial_scale)
