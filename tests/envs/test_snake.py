"""Snake: its rules by hand, whole grids, and jumanji's Snake-v1 in lockstep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.snake_games import DOWN, LEFT, RIGHT, UP, cycle, play_both

from jaxdqn import envs, evaluation
from jaxdqn.config import ConfigError
from jaxdqn.envs import drawing, snake, suites

LOOP = (1, 1), (1, 2), (2, 2), (2, 1)


def at(cells, fruit=(0, 0), size=4) -> snake.State:
    """The snake on `cells`, from its tail to its head."""
    body = np.zeros((size, size), np.int32)
    for length, cell in enumerate(cells, start=1):
        body[cell] = length
    return snake.State(jnp.asarray(body), jnp.array(cells[-1]), jnp.array(fruit))


def act(state, *actions):
    """The state after `actions`, the last reward, and whether the last action terminated."""
    step = jax.jit(snake.make(len(state.body)).step)
    for seed, action in enumerate(actions):
        state, reward, terminated = step(jax.random.key(seed), state, jnp.int32(action))
    return state, float(reward), bool(terminated)


@pytest.mark.parametrize(
    ("action", "head"), [(UP, (0, 1)), (RIGHT, (1, 2)), (DOWN, (2, 1)), (LEFT, (1, 0))]
)
def test_the_whole_snake_moves(action, head):
    state, reward, terminated = act(at([(1, 1)]), action)
    np.testing.assert_array_equal(state.body, at([head]).body)
    assert tuple(state.head) == head and (reward, terminated) == (0.0, False)


def test_a_fruit_is_worth_one_and_the_tail_stays():
    before = at([(1, 0), (1, 1)], fruit=(1, 2))
    state, reward, terminated = act(before, RIGHT)
    np.testing.assert_array_equal(state.body, at([(1, 0), (1, 1), (1, 2)]).body)
    assert (reward, terminated) == (1.0, False)
    state, reward, _ = act(state, DOWN)
    np.testing.assert_array_equal(state.body > 0, at([(1, 1), (1, 2), (2, 2)]).body > 0)


def test_a_new_fruit_is_on_a_free_cell():
    before, step = at([(0, 0), (0, 1)], fruit=(1, 1), size=2), snake.make(2).step
    keys = jax.random.split(jax.random.key(0), 20)
    states, _, _ = jax.vmap(lambda key: step(key, before, jnp.int32(DOWN)))(keys)
    np.testing.assert_array_equal(states.fruit, [[1, 0]] * 20)


@pytest.mark.parametrize(
    ("cell", "action"), [((0, 2), UP), ((2, 3), RIGHT), ((3, 1), DOWN), ((1, 0), LEFT)]
)
def test_walls_end_the_episode(cell, action):
    assert act(at([cell], fruit=(3, 3)), action)[1:] == (0.0, True)


def test_the_head_may_follow_the_tail():
    state, _, terminated = act(at(LOOP), UP, RIGHT, DOWN, LEFT)
    assert not terminated
    np.testing.assert_array_equal(state.body, at(LOOP).body)
    # The tail of a snake of two cells leaves before the head turns back.
    assert not act(at(LOOP[:2]), LEFT)[2]


def test_the_body_ends_the_episode():
    assert act(at(LOOP[:3]), UP)[2]
    assert act(at([*LOOP, (2, 0)]), RIGHT)[2]


def test_the_last_fruit_fills_the_grid():
    state, reward, terminated = act(at([(0, 0), (0, 1), (1, 1)], fruit=(1, 0), size=2), LEFT)
    assert (reward, terminated) == (1.0, True)
    np.testing.assert_array_equal(state.body, [[1, 2], [4, 3]])


def test_the_observation_shows_the_grid_around_the_head():
    obs = np.asarray(snake.make(3).observe(at([(0, 0), (0, 1), (1, 1)], fruit=(2, 0), size=3)))
    assert obs.dtype == bool and obs.shape == (5, 5, 4)
    body, tail, fruit, wall = np.moveaxis(obs, -1, 0)
    # The head (1, 1) is at (2, 2).
    assert np.argwhere(body).tolist() == [[1, 1], [1, 2], [2, 2]]
    assert [np.argwhere(x).tolist() for x in (tail, fruit)] == [[[1, 1]], [[3, 1]]]
    np.testing.assert_array_equal(wall, np.pad(np.zeros((3, 3), bool), 1, constant_values=True))


def test_the_observation_of_a_corner():
    _, _, fruit, wall = np.moveaxis(
        np.asarray(snake.make(3).observe(at([(0, 2)], fruit=(2, 0), size=3))), -1, 0
    )
    expected = np.ones((5, 5), bool)
    expected[2:, :3] = False
    np.testing.assert_array_equal(wall, expected)
    assert np.argwhere(fruit).tolist() == [[4, 0]]


def test_head_and_fruit_start_anywhere_and_apart():
    states = jax.jit(jax.vmap(snake.make(3).reset))(jax.random.split(jax.random.key(0), 7_200))
    pairs = np.ravel_multi_index(np.concatenate([states.head, states.fruit], axis=1).T, [3] * 4)
    cells, counts = np.unique(pairs, return_counts=True)
    # 9 * 8 pairs, 100 times each: standard deviation 10.
    assert len(cells) == 72 and counts.min() > 50 and counts.max() < 150
    np.testing.assert_array_equal(states.body.sum(axis=(1, 2)), 1)


@pytest.mark.parametrize("size", [2, 4])
def test_a_closed_path_fills_the_grid(size):
    env = envs.vectorize(snake.make(size)._replace(observe=lambda state: state.head), 50)
    actions = jnp.asarray(cycle(size))

    def follow(key, params, head):
        return actions[head[:, 0], head[:, 1]]

    found = jax.jit(lambda key: evaluation.evaluate(key, None, env, follow))(jax.random.key(0))
    np.testing.assert_array_equal(found.returns, size * size - 1)


def test_a_size_without_room_for_a_fruit_is_refused():
    with pytest.raises(ConfigError, match=r"size \(1\) must be at least 2"):
        snake.make(1)


def test_the_picture_shows_head_body_and_fruit():
    state = at([(0, 0), (0, 1), (0, 2), (1, 2), (1, 1)], fruit=(3, 1))
    image = np.asarray(jax.jit(snake.make(4).render)(state)).astype(int)
    assert image.shape == (4 * drawing.CELL + 2 * drawing.WALL,) * 2 + (3,)

    def color(row, column):
        return tuple(image[*(drawing.WALL + int(x * drawing.CELL) for x in (row, column))])

    board = drawing.BACKGROUND, drawing.SQUARE
    assert color(3.6, 1.5) == drawing.BRIGHT
    assert color(1.5, 1.75) == drawing.GREEN
    assert color(2.5, 0.5) in board
    assert tuple(image[0, 0]) == drawing.DARK
    # The body is drawn between cells that follow each other, not between all neighbours.
    assert color(0.5, 1.0) not in board and color(1.0, 2.5) not in board
    assert color(1.0, 1.5) in board
    # Paler towards the tail.
    assert color(0.5, 0.5)[0] > color(0.5, 1.5)[0] > color(1.5, 2.5)[0]


def random(key, state, mask):
    return jax.random.randint(key, (), 0, 4)


def careful(key, state, mask):
    """Avoids collisions, usually."""
    logits = jnp.where(mask, 0.0, -8.0)
    return jax.random.categorical(key, logits)


def hungry(key, state, mask):
    """Takes a step towards the fruit among those that do not collide, usually."""
    after = state.head + snake.MOVES
    distance = jnp.sum(jnp.abs(after - state.fruit), axis=1)
    return jax.random.categorical(key, jnp.where(mask, -2.0 * distance, -2.0 * distance - 100.0))


def around(size):
    actions = jnp.asarray(cycle(size))
    return lambda key, state, mask: actions[tuple(state.head)]


@pytest.mark.slow
@pytest.mark.skipif(
    not suites.is_installed("jumanji"), reason='needs jumanji: pip install -e ".[suites]"'
)
@pytest.mark.parametrize(
    ("size", "policy", "num_steps", "longest", "collisions", "filled"),
    [
        (12, random, 2_000, 3, 1_000, 0),
        (12, hungry, 5_000, 25, 100, 0),
        (12, around(12), 12_000, 144, 0, 10),
        (5, hungry, 5_000, 18, 100, 0),
        (4, around(4), 2_000, 16, 0, 100),
        (3, careful, 5_000, 9, 100, 100),
        (2, random, 1_000, 4, 100, 10),
    ],
)
def test_jumanji_plays_the_same_game(size, policy, num_steps, longest, collisions, filled):
    seen = play_both(size, policy, num_steps)
    assert seen.same.all()
    # Both kinds of ends, and long snakes, were part of it.
    assert seen.length.max() >= longest
    assert seen.collision.sum() >= collisions and seen.full.sum() >= filled
