"""The layers of a recipe's network."""

import jax
import numpy as np


def layers(recipe):
    """The shapes of the kernels of the network."""
    obs, agent = recipe.obs(1), recipe.agent()
    params = jax.eval_shape(
        lambda key: agent.init(key, np.zeros(obs.shape, obs.dtype)), jax.random.key(0)
    )
    return [x.shape for x in jax.tree.leaves(params) if len(x.shape) > 1]
