"""Parameters whose greedy policy takes both actions, and comparison of actions up to rounding."""

import jax
import jax.numpy as jnp
import numpy as np


def undecided(agent, obs):
    """Random parameters whose greedy action is each of the two in at least a tenth of `obs`, and their values."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(agent.init, jax.random.key(0), obs)
    q_values = jax.jit(agent.q_values)
    while True:
        params = jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.3, x.shape), x.dtype), shapes)
        q = np.asarray(q_values(params, obs))
        if 0.1 < q.argmax(axis=-1).mean() < 0.9:
            return params, q


def require_same_actions(action, q):
    """Compares greedy actions where the two values differ by more than rounding."""
    clear = np.abs(q[:, 0] - q[:, 1]) > 1e-3
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(action[clear], q[clear].argmax(axis=-1))


def observations():
    return np.random.default_rng(1).normal(0, 0.5, (1_000, 4)).astype(np.float32)
