"""Networks: Flax modules from observations to action values, distributions or quantiles."""

from jaxdqn.networks.mlp import MLP, Activation, Dueling, Params, Torso, layer_order, norm_relu
from jaxdqn.networks.quantile import ImplicitQuantile

__all__ = [
    "MLP",
    "Activation",
    "Dueling",
    "ImplicitQuantile",
    "Params",
    "Torso",
    "layer_order",
    "norm_relu",
]
