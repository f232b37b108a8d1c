"""Rainbow, Hessel et al. (2018), arXiv:1710.02298."""

import jax

from jaxdqn import targets
from jaxdqn.agents.agent import Agent, Network
from jaxdqn.agents.c51 import c51
from jaxdqn.agents.noisy import noisy


def rainbow(network: Network, support: jax.Array) -> Agent:
    """Noisy, categorical, double; with a `networks.Dueling` of as many atoms as `support [Z]` all of it.

    What is left of Rainbow belongs to the replay: `prioritized.prioritized(..., n_step=3)`.
    """
    return noisy(c51(network, support, targets.double_action))
