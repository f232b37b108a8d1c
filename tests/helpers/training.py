"""Trainers on the chain and on images, and comparisons of states and of compiled programs."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
from helpers.envs import LENGTH, chain

from jaxdqn import agents, networks, recipes, replay, training

GAMMA = 0.9


def chain_trainer(n_step=1, buffer_size=2_000, gamma=GAMMA, epsilon=1.0, time_limit=3):
    """Training of a linear network on one-hot positions, which is equivalent to a table."""
    return training.dqn(
        chain(4, LENGTH, time_limit),
        agents.dqn(networks.QNetwork(networks.mlp(()), 2)),
        replay.uniform(buffer_size, 32, n_step),
        optax.adam(optax.linear_schedule(0.02, 0.0, 4_000)),
        lambda env_steps: jnp.asarray(epsilon, jnp.float32),
        num_steps=2,
        num_updates=2,
        learning_starts=80,
        gamma=gamma,
        target_period=10,
        tau=0.4,
    )


TRAINER = chain_trainer()


def image_recipe(buffer_size=2_000):
    """A small convolutional network on Breakout, trained for as many steps as the buffer holds."""
    recipe = recipes.find("Breakout-MinAtar")
    small = {"num_envs": 4, "num_steps": 2, "num_updates": 2, "learning_starts": 80}
    small |= {"buffer_size": buffer_size, "batch_size": 8, "channels": (4,), "features": (8,)}
    config = dataclasses.replace(recipe.config, **small)
    return dataclasses.replace(recipe, config=config, steps=buffer_size)


def losses(agent, params, target_params, batch, key=None):
    """The losses of one update; differentiable in `params` as the gradient step is."""
    target_key, loss_key = jax.random.split(jax.random.key(0) if key is None else key)
    target = agent.target(target_key, params, target_params, batch)
    return agent.loss(loss_key, params, batch, jax.lax.stop_gradient(target))


def equal(x, y):
    """Whether the leaves of two trees are equal."""
    bits = [jax.tree.map(raw, jax.tree.leaves(tree)) for tree in (x, y)]
    return all(np.array_equal(a, b) for a, b in zip(*bits, strict=True))


def raw(leaf):
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def ring_sized_work(compiled, num_rows):
    """Instructions inside loops that copy or otherwise move an array with `num_rows` rows."""
    harmless = {
        "parameter", "get-tuple-element", "tuple", "bitcast", "dynamic-update-slice",
        "while", "conditional", "fusion", "call", "scatter",
    }  # fmt: skip
    on_ring, in_entry = [], False
    for line in compiled.as_text().splitlines():
        if line.endswith("{") and not line.startswith(" "):
            in_entry = line.startswith("ENTRY")
        instruction = re.match(r"\s+(?:ROOT )?%?\S+ = (\w+\[[\d,]*\])\S* ([\w-]+)\(", line)
        if instruction and not in_entry:
            shape, operation = instruction.groups()
            if re.search(rf"[\[,]{num_rows}[,\]]", shape):
                on_ring.append((operation, shape))
    assert on_ring, f"no array in a loop has {num_rows} rows"
    return [(operation, shape) for operation, shape in on_ring if operation not in harmless]


ROWS = 997
"""Number of rows of a replay, which no other array has."""
