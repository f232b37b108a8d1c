"""Networks: Flax modules from observations to action values, distributions or quantiles."""

from jaxdqn.networks import heads
from jaxdqn.networks.qnetwork import QNetwork
from jaxdqn.networks.quantile import ImplicitQuantile
from jaxdqn.networks.torso import Activation, MakeTorso, Params, conv, mlp, norm_relu

__all__ = [
    "Activation",
    "ImplicitQuantile",
    "MakeTorso",
    "Params",
    "QNetwork",
    "conv",
    "heads",
    "mlp",
    "norm_relu",
]
