"""Agents: algorithms as pure functions of their parameters, one file per algorithm."""

from jaxdqn.agents.advantage_learning import advantage_learning
from jaxdqn.agents.agent import Agent, Losses
from jaxdqn.agents.c51 import c51
from jaxdqn.agents.dqn import dqn
from jaxdqn.agents.hl_gauss import hl_gauss
from jaxdqn.agents.iqn import iqn
from jaxdqn.agents.munchausen import munchausen
from jaxdqn.agents.noisy import noisy
from jaxdqn.agents.qr_dqn import qr_dqn
from jaxdqn.agents.rainbow import rainbow

__all__ = [
    "Agent",
    "Losses",
    "advantage_learning",
    "c51",
    "dqn",
    "hl_gauss",
    "iqn",
    "munchausen",
    "noisy",
    "qr_dqn",
    "rainbow",
]
