"""Action gap, churn, discounted returns and collapses, computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
from helpers.envs import chain, numbered, table_agent

from experiments.wobble import probes
from jaxdqn import envs, policies
from jaxdqn.replay.uniform import add, init


def always(action):
    return lambda key, params, obs: jnp.full(obs.shape[0], action)


def test_the_gap_is_to_the_second_best():
    q = jnp.array([[1.0, 4.0, 2.5], [-1.0, -3.0, -1.0]])
    np.testing.assert_array_equal(probes.action_gap(q), [1.5, 0.0])


def test_churn_is_the_share_of_states_whose_action_changed():
    # One of four actions changes after the first measurement, three after the second.
    actions = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0]])
    np.testing.assert_array_equal(probes.churn(actions), [0.25, 0.75])
    assert probes.churn(np.stack([actions] * 5)).shape == (5, 2)


def test_the_share_of_terminal_transitions_is_of_those_written():
    # Three of ten rows are written, two environments each; two of the six transitions are terminal.
    discount = np.array([[0.9, 0.0], [0.9, 0.9], [0.0, 0.9]], np.float32)
    batch = jax.tree.map(jnp.asarray, numbered(0, 3, 2, discount=discount))
    empty = init(jax.tree.map(lambda x: x[0], batch), num_rows=10)
    assert probes.terminal_share(empty) == 0
    np.testing.assert_allclose(probes.terminal_share(add(empty, batch)), 2 / 6)


def test_discounted_returns_by_hand():
    # From position 3 of 5 it takes two steps to the right to earn 1: 0.5¹; to the left nothing.
    env = chain(num_envs=3, length=5, time_limit=100)
    position = jnp.array([3, 4, 0])
    states = probes.States(
        envs.Episode(position, jnp.zeros(3, jnp.int32)), jax.nn.one_hot(position, 5)
    )
    found = probes.discounted_returns(jax.random.key(0), None, states, env, always(1), 0.5, 50)
    np.testing.assert_array_equal(found, [0.5, 1.0, 0.5**4])
    # Three steps do not reach the end from 0. After its end an episode earns nothing.
    found = probes.discounted_returns(jax.random.key(0), None, states, env, always(1), 0.5, 3)
    np.testing.assert_array_equal(found, [0.5, 1.0, 0.0])


def test_a_balanced_pole_earns_the_geometric_sum():
    env = envs.vectorize(envs.time_limit(envs.gymnax("CartPole-v1"), 10_000), 4)
    env_state, obs = env.reset(jax.random.key(0))
    policy = policies.greedy(probes.balance)
    find = jax.jit(
        lambda key: probes.discounted_returns(
            key, None, probes.States(env_state, obs), env, policy, 0.9, 200
        )
    )
    np.testing.assert_allclose(find(jax.random.key(1)), np.full(4, 10.0), rtol=1e-5)


def test_fixed_states_lie_on_trajectories_and_can_be_continued():
    # Always right: at x + t after t steps from x, until the episode ends.
    env = chain(num_envs=500, length=5, time_limit=100)
    find = jax.jit(lambda key: probes.fixed_states(key, env, always(1), 30))
    (position, time), obs = find(jax.random.key(0))
    np.testing.assert_array_equal(obs, jax.nn.one_hot(position, 5))
    assert set(np.unique(position)) == {0, 1, 2, 3, 4}
    # At different times of their episodes.
    assert set(np.unique(time)) == {0, 1, 2, 3, 4}
    assert np.all(np.asarray(time) <= np.asarray(position))


def test_a_measurement_by_hand():
    env = chain(num_envs=2, length=5, time_limit=100)
    position = jnp.array([3, 4])
    states = probes.States(
        envs.Episode(position, jnp.zeros(2, jnp.int32)), jax.nn.one_hot(position, 5)
    )

    def q_values(params, obs):
        return obs @ params

    agent = table_agent()._replace(
        init=lambda key, obs: jnp.zeros((5, 2)),
        q_values=q_values,
        explore=lambda key, params, obs: q_values(params, obs),
    )
    params = jnp.zeros((5, 2)).at[3].set(jnp.array([1.0, 2.0])).at[4].set(jnp.array([1.0, 4.0]))
    example = jax.tree.map(lambda x: jnp.asarray(x)[0], numbered(0, 1, 1))
    buffer = init(example, num_rows=3)
    found = probes.measure(jax.random.key(0), params, buffer, states, env, agent, 0.5, 50)
    np.testing.assert_allclose(found.action_gap, (1 + 3) / 2)
    np.testing.assert_allclose(found.value, (2 + 4) / 2)
    # Both to the right: 0.5 and 1.
    np.testing.assert_allclose(found.monte_carlo, 0.75)
    np.testing.assert_array_equal(found.actions, [1, 1])


def test_a_collapse_is_the_first_fall_after_a_solved_evaluation():
    eval_return = np.array(
        [
            [100, 480, 300, 240, 200, 490, 10],  # collapses twice, solved between
            [100, 200, 100, 474, 100, 100, 100],  # never solved
            [500, 500, 250, 300, 500, 500, 500],  # never below 250
        ]
    )
    rows, times = np.nonzero(probes.collapses(eval_return))
    assert rows.tolist() == [0, 0] and times.tolist() == [3, 6]
