"""One worker gets an order at a time: whose turn it is, rewards, city tiles, maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lux

from jaxdqn import envs
from jaxdqn.envs.lux import board, decision, rules
from jaxdqn.envs.lux.rules import BRING_COAL, BRING_WOOD, FOUND, NO_ORDER, SETTLE, SHELTER

FULL, EMPTY = (100, 0, 0), (0, 0, 0)
step = jax.jit(lambda state, order: decision.step(jax.random.key(0), state, jnp.int32(order)))


@pytest.fixture(scope="module")
def env():
    return decision.make()


def first(**fields):
    """The first decision on a small board; the opponent lives on."""
    game = lux.state(**{"opponent_fuel": 10_000, "slots": rules.MAX_WORKERS} | fields)
    return decision.first(game)


def test_workers_get_orders_in_turn_and_then_all_move():
    wood = [(17, rules.WOOD, 500)]
    state = first(resources=wood, workers=[(14, EMPTY), (13, EMPTY), (24, EMPTY)], turn=1)
    for worker in range(3):
        assert state.worker == worker and state.game.turn == 1
        assert (state.order[:3] == BRING_WOOD).tolist() == [k < worker for k in range(3)]
        state, _, over = step(state, BRING_WOOD)
        assert not over
    # In rotation the third one is due in turn 2, before it can act again, and the first one in turn 3.
    assert state.game.turn == 3 and state.worker == 0
    assert state.order[:3].tolist() == [NO_ORDER, BRING_WOOD, NO_ORDER]
    assert (state.game.workers.cell[:3] != jnp.array([14, 13, 24])).all()


@pytest.mark.parametrize(("order", "tiles", "fuel"), [(BRING_WOOD, 1, 1_100), (SETTLE, 2, 1_000)])
def test_a_worker_that_comes_into_a_city_or_builds_a_tile_gets_a_new_order(order, tiles, fuel):
    crew = [(1, FULL), (24, EMPTY), (28, EMPTY), (30, EMPTY)]
    state = first(workers=crew, cities=[([0], 1_000)], turn=1)
    for given in (order, BRING_COAL, BRING_COAL, BRING_COAL):
        state, _, _ = step(state, given)
    # In rotation the third one is due; without coal, the others stay with their orders.
    assert state.game.turn == 2 and state.worker == 0
    assert state.order[:4].tolist() == [NO_ORDER, BRING_COAL, NO_ORDER, BRING_COAL]
    assert decision.num_tiles(state.game) == tiles and state.game.fuel.sum() == fuel


def follow(state, order):
    """Gives the first worker `order`, and others one to stay, until the first comes into a city."""
    for _ in range(40):
        if state.worker == 0 and state.game.city[state.game.workers.cell[0]] >= 0:
            return state
        state, _, _ = step(state, BRING_COAL if state.worker else order)
    raise AssertionError("The first worker has not come into a city.")


def test_a_cargo_is_fetched_and_brought_into_the_city():
    """The worker leaves its city for the wood, takes 20 in each turn, and is back in turn 8 or 9."""
    state = first(resources=[(2, rules.WOOD, 500)], workers=[(0, EMPTY), (24, EMPTY)], turn=1)
    state, _, _ = step(state, BRING_WOOD)
    state, _, _ = step(state, BRING_COAL)
    state = follow(state, BRING_WOOD)
    assert 6 < state.game.turn < 10 and state.game.fuel[0] == 100
    assert state.game.workers.cell[:2].tolist() == [0, 24]


def test_a_worker_that_is_not_on_the_edge_of_the_city_walks_there_to_build():
    state = first(workers=[(7, FULL), (30, EMPTY)], cities=[([0], 1_000)], turn=1)
    state = follow(state, SETTLE)
    assert decision.num_tiles(state.game) == 2 and state.game.workers.cell[0] in (1, 6)


def test_workers_in_cooldown_and_those_with_an_order_are_passed_over():
    workers = [(14, EMPTY), (28, EMPTY), (30, EMPTY)]
    state = first(workers=workers, turn=1)
    game = state.game._replace(
        workers=state.game.workers._replace(cooldown=jnp.zeros(16, jnp.int32).at[1].set(1))
    )
    state = decision.first(game)
    state, _, _ = step(state, BRING_COAL)
    assert state.worker == 2
    state, _, _ = step(state, BRING_COAL)
    assert state.worker == 1 and state.game.turn == 2


def test_a_new_worker_has_no_order():
    state = first(workers=[(0, EMPTY)], cities=[([0, 1], 1_000)], turn=2)
    state, _, _ = step(state, SHELTER)
    # The two tiles have built a worker each, one of them too many for the second tile.
    assert state.worker == 1 and state.order[:2].tolist() == [SHELTER, NO_ORDER]


def test_rewards_are_discounted_by_turns(env):
    state = first(workers=[(14, EMPTY), (15, EMPTY)])
    times = []
    for _ in range(3):
        times.append(int(env.time(state)))
        state, _, _ = step(state, BRING_COAL)
    assert times == [0, 0, 1]


def test_the_potential_counts_tiles_with_fuel_for_a_night_and_cargo():
    # A city of two tiles pays 2 * 18 a turn: 180 of 360 for a night. A city alone pays 23: 0 of 230.
    crew = [(14, FULL), (15, (0, 50, 0)), (16, EMPTY)]
    game = lux.state(workers=crew, cities=[([20, 21], 180), ([0], 0)])
    counted = 2 * 0.75 + 0.5 + 0.1 + 0.05
    np.testing.assert_allclose(decision.potential(game), np.log2(1 + counted), rtol=1e-6)
    rich = lux.state(workers=crew[2:], cities=[([20, 21], 10_000)])
    np.testing.assert_allclose(decision.potential(rich), np.log2(3), rtol=1e-6)
    assert decision.potential(game._replace(over=jnp.bool(True))) == 2


def test_the_reward_is_the_change_of_the_potential():
    state = first(workers=[(14, FULL)], cities=[([0], 1)], turn=29)
    before = decision.potential(state.game)
    # Cell 15 has wood, so that a city tile can stand on the edge of it, here.
    state = state._replace(game=state.game._replace(kind=state.game.kind.at[15].set(rules.WOOD)))
    state = state._replace(game=state.game._replace(amount=state.game.amount.at[15].set(20)))
    state, reward, over = step(state, FOUND)
    # The cargo, a tenth, has become a tile, a half, with 20 of the 230 of wood that it needs for a night.
    city, tile = (1 + 1 / 230) / 2, (1 + 20 / 230) / 2
    np.testing.assert_allclose(reward, np.log2((1 + city + tile) / (1 + city + 0.1)), atol=1e-6)
    assert not over and state.game.turn == 30
    # Neither city has fuel for the night, and the worker, which can act at once in its city, is lost too.
    _, last, over = step(state, SHELTER)
    np.testing.assert_allclose(reward + last, -before, atol=1e-6)
    assert over


def test_rewards_add_up_to_the_logarithm_of_the_city_tiles_at_the_end(env):
    def act(carry, key):
        state, total, over = carry
        action_key, step_key = jax.random.split(key)
        action = jax.random.randint(action_key, (16,), 0, env.num_actions)
        after, reward, ends = jax.vmap(env.step)(jax.random.split(step_key, 16), state, action)
        state = envs.where(over, state, after)
        return (state, total + jnp.where(over, 0.0, reward), over | ends), None

    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 16))
    carry = state, jnp.zeros(16), jnp.zeros(16, bool)
    keys = jax.random.split(jax.random.key(1), 2_000)
    (state, total, over), _ = jax.jit(lambda carry: jax.lax.scan(act, carry, keys))(carry)
    assert over.all()
    tiles = jax.vmap(decision.num_tiles)(state.game)
    np.testing.assert_allclose(total + np.log2(1.5), np.log2(1 + tiles), atol=1e-3)


def test_city_tiles_build_workers_then_research_until_all_is_known():
    tiles = [20, 21, 26]
    state = lux.state(workers=[(20, EMPTY)], cities=[(tiles, 100)], slots=rules.MAX_WORKERS)
    rule = decision.tile_rule(state)
    assert rule[jnp.array(tiles)].tolist() == [rules.BUILD_WORKER] * 2 + [rules.RESEARCH]
    rule = decision.tile_rule(state._replace(research=jnp.int32(200)))
    assert rule[26] == rules.REST
    busy = state._replace(tile_cooldown=state.tile_cooldown.at[20].set(3))
    assert decision.tile_rule(busy)[jnp.array(tiles[1:])].tolist() == [rules.BUILD_WORKER] * 2


def test_episodes_start_on_maps_of_the_split_in_all_orientations(env):
    reset = jax.jit(jax.vmap(env.reset))
    games = reset(jax.random.split(jax.random.key(0), 200)).game
    amounts = np.sort(np.asarray(games.amount), axis=1)
    from_train = {tuple(sorted(row)) for row in envs.lux.maps.load(12).amount.tolist()}
    assert {tuple(row) for row in amounts.tolist()} <= from_train
    assert not games.amount[jnp.arange(200), games.workers.cell[:, 0]].any()
    assert len(set(games.workers.cell[:, 0].tolist())) > 60
    symmetries = decision.board_symmetries(4)
    assert len({tuple(row) for row in symmetries.tolist()}) == 8
    near = {tuple(sorted(row)) for row in board.neighbours(16)[:, 1:].tolist() if max(row) < 16}
    for cells in symmetries:
        moved = {tuple(sorted(cells[list(row)].tolist())) for row in near}
        assert moved == near


@pytest.mark.parametrize("size", [12, 16])
def test_it_is_a_valid_environment_with_a_picture(size):
    env = decision.make(size, "test")
    assert envs.check(env).shape == (11, 11, 30)
    image = env.render(env.reset(jax.random.key(0)))
    assert image.shape == (16 * size, 16 * size, 3) and image.dtype == jnp.uint8
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) >= 6
