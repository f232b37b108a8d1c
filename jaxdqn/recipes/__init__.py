"""Recipes: which environment, network, agent and hyperparameters go together."""

from jaxdqn.recipes.algorithms import AGENTS, ALGORITHMS, AgentName, Algorithm
from jaxdqn.recipes.find import check_support, conv_torso, find, mlp_torso
from jaxdqn.recipes.recipe import Recipe

__all__ = [
    "AGENTS",
    "ALGORITHMS",
    "AgentName",
    "Algorithm",
    "Recipe",
    "check_support",
    "conv_torso",
    "find",
    "mlp_torso",
]
