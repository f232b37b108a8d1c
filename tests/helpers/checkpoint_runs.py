"""Checkpoints of 20 agents without a training."""

import jax
import jax.numpy as jnp

from jaxdqn.runs import checkpoint, loop

STATE = {
    "weights": jnp.linspace(0.0, 1.0, 600).reshape(20, 30),
    "count": jnp.full(20, 7),
    "flags": jnp.arange(180).reshape(20, 9) % 2 == 0,
    "key": jax.random.split(jax.random.key(3), 20),
}
"""Of 20 agents."""


def row(chunk, value=1.0):
    return {"chunk": chunk, "eval_return": [value, None]}


def rows(chunk):
    return [row(k) for k in range(1, chunk + 1)]


def open_checkpoints(path, keep=3):
    return checkpoint.Checkpoints(path, keep, loop.score)


def numbered(chunk):
    """`STATE` with the chunk as its count."""
    return STATE | {"count": jnp.full(20, chunk)}


def write(path, *chunks):
    """Saves `numbered(chunk)` for each chunk; returns the path."""
    with open_checkpoints(path, keep=9) as checkpoints:
        for chunk in chunks:
            checkpoints.save(chunk, numbered(chunk), rows(chunk))
            checkpoints.wait()
    return path


def restored(path):
    with open_checkpoints(path) as checkpoints:
        return checkpoints.restore(STATE)
