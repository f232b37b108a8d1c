"""DeepSea in several sizes: one sequence of actions is rewarded."""

import jax
import jax.numpy as jnp
import pytest

from experiments.results import deep_sea


@pytest.mark.parametrize(
    ("make", "size"), [(deep_sea.size_10, 10), (deep_sea.size_14, 14), (deep_sea.size_20, 20)]
)
def test_only_steps_to_the_right_are_rewarded_and_they_cost_a_hundredth_in_all(make, size):
    env = make()
    state, total = env.reset(jax.random.key(0)), 0.0
    assert env.observe(state).shape == (size, size)
    step = jax.jit(env.step)
    for t in range(size):
        inner = state.state
        right = inner.action_mapping[inner.row, inner.column]
        state, reward, terminated = step(jax.random.key(t), state, jnp.int32(right))
        total += float(reward)
        assert bool(terminated) == (t == size - 1)
    # 1 for the treasure, less 0.01 / size for each step.
    assert total == pytest.approx(0.99)
