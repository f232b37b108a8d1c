"""Orders to workers: ways, goals, what is done there, and when an order ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lux

from experiments.lux import observation, scripted
from experiments.lux import orders as lux_orders
from experiments.lux.position import parse
from jaxdqn.envs.lux import board, decision, maps, movement, orders, rules, turn
from jaxdqn.envs.lux.rules import EAST, NORTH, SOUTH, STAY, WEST

FULL, EMPTY = (100, 0, 0), (0, 0, 0)
PLAIN = jax.jit(orders.actions)


def act(state, *order):
    """What the workers do in the environment; those of the team in the engine do the same."""
    free = [rules.NO_ORDER] * (len(state.workers.alive) - len(order))
    found = PLAIN(state, jnp.array([*order, *free]))[: len(order)].tolist()
    position = parse(lux.lines(jax.device_get(state), 0))
    planes = observation.map_planes(position, 0, lux.SIZE)
    sources = observation.collectible(position, 0)
    units = [(position.units[f"u_0_{slot}"], one) for slot, one in enumerate(order)]
    assert lux_orders.actions(position, int(state.turn), planes, sources, units) == found
    return found


def test_fuel_is_fetched_from_the_nearest_cell_of_its_kind():
    resources = [(16, rules.WOOD, 9), (2, rules.COAL, 9), (26, rules.URANIUM, 9)]
    state = lux.state(resources, workers=[(14, EMPTY)], research=200)
    assert act(state, rules.BRING_WOOD) == [EAST]
    assert act(state, rules.BRING_COAL) == [NORTH]
    assert act(state, rules.BRING_URANIUM) == [SOUTH]
    unknown = state._replace(research=jnp.int32(49))
    assert act(unknown, rules.BRING_COAL) == act(unknown, rules.BRING_URANIUM) == [STAY]


def test_a_full_cargo_is_brought_to_the_nearest_or_the_poorest_city():
    # The near city has fuel for 100 turns, the far one for 4.
    state = lux.state(workers=[(14, FULL)], cities=[([12], 2_300), ([28, 29], 144)])
    assert act(state, rules.BRING_WOOD) == act(state, rules.SHELTER) == [WEST]
    assert act(state, rules.RELIEVE)[0] in (EAST, SOUTH)
    # Without a resource there is nothing to bring; a shelter needs no cargo.
    empty = lux.state(workers=[(14, EMPTY)], cities=[([12], 2_300)])
    assert act(empty, rules.RELIEVE) == [STAY] and act(empty, rules.SHELTER) == [WEST]


def test_city_tiles_are_built_on_empty_cells_beside_a_city_or_a_resource():
    state = lux.state([(17, rules.WOOD, 9)], workers=[(14, FULL)], cities=[([12], 0)])
    assert act(state, rules.SETTLE) == [WEST] and act(state, rules.FOUND) == [EAST]
    for cell, order in ((13, rules.SETTLE), (16, rules.FOUND)):
        there = lux.state([(17, rules.WOOD, 9)], workers=[(cell, FULL)], cities=[([12], 0)])
        assert act(there, order) == [rules.BUILD_CITY]
    poor = lux.state([(17, rules.WOOD, 9)], workers=[(13, (99, 0, 0))], cities=[([12], 0)])
    assert act(poor, rules.SETTLE) == [EAST]
    homeless = lux.state(workers=[(14, FULL)])._replace(city=jnp.full(36, -1))
    assert act(homeless, rules.SETTLE) == [rules.BUILD_CITY]


def test_a_city_without_an_empty_cell_beside_it_is_extended_elsewhere():
    """The city is in the corner, between wood and the city of the opponent."""
    wood = [(1, rules.WOOD, 500)]
    state = lux.state(wood, opponent=6, workers=[(1, FULL), (14, FULL)], cities=[([0], 0)])
    first, second = act(state, rules.SETTLE, rules.SETTLE)
    assert first in (EAST, SOUTH) and second == rules.BUILD_CITY
    # With an empty cell beside it, that one is built on.
    assert act(state._replace(opponent_cell=jnp.int32(35)), *[rules.SETTLE] * 2)[1] in (NORTH, WEST)


def test_a_cargo_without_a_way_is_brought_to_the_nearest_city():
    """The worker stands on coal in the corner between two cities; the poorest one and the wood are behind them."""
    resources, cities = (
        [(0, rules.COAL, 9), (33, rules.WOOD, 9)],
        [([1], 500), ([6], 500), ([21], 0)],
    )
    shut = lux.state(resources, workers=[(0, FULL)], cities=cities)
    for order in (rules.RELIEVE, rules.SETTLE, rules.FOUND):
        assert act(shut, order)[0] in (EAST, SOUTH)
    opened = lux.state(resources, workers=[(0, FULL)], cities=cities[:1])
    assert act(opened, rules.FOUND) == [SOUTH]


def test_the_way_of_a_cargo_to_a_site_leads_around_the_city_that_would_take_it():
    """Cells 6 to 11 are a row of the city but for the last one; the edge of the wood is to the north of it."""
    state = lux.state([(1, rules.WOOD, 9)], workers=[(15, FULL)], cities=[([6, 7, 8, 9, 10], 0)])
    assert act(state, rules.FOUND) == [EAST]
    assert act(state, rules.SHELTER) == [NORTH]


def test_the_way_to_the_poorest_city_leads_around_another_one():
    """In a row, from the west: the worker in cell 14, a city with fuel in cell 15, the poorest one in cell 17."""
    state = lux.state(workers=[(14, FULL)], cities=[([15], 2_300), ([17], 0)])
    assert act(state, rules.RELIEVE)[0] in (NORTH, SOUTH)
    assert act(state, rules.BRING_WOOD) == [EAST]


@pytest.mark.parametrize(("turn", "action"), [(29, EAST), (30, WEST)])
def test_at_night_fuel_is_brought_before_the_cargo_is_full_again(turn, action):
    wood, left = [(17, rules.WOOD, 9)], rules.ENOUGH
    state = lux.state(wood, workers=[(14, (left, 0, 0))], cities=[([12], 0)], turn=turn)
    assert act(state, rules.BRING_WOOD) == act(state, rules.RELIEVE) == [action]
    # A city tile costs a full cargo, and less than enough is not brought.
    assert act(state, rules.SETTLE) == act(state, rules.FOUND) == [EAST]
    less = lux.state(wood, workers=[(14, (left - 1, 0, 0))], cities=[([12], 0)], turn=turn)
    assert act(less, rules.BRING_WOOD) == [EAST]


def test_who_collects_for_elsewhere_leaves_the_city_that_would_take_the_cargo():
    """The worker is in the city in cell 14, another one stands on the wood in cell 15."""
    wood, crew = [(15, rules.WOOD, 500)], [(15, EMPTY), (14, EMPTY)]
    state = lux.state(wood, workers=crew, cities=[([14], 100), ([30], 0)])
    for order, stays in ((rules.BRING_WOOD, True), (rules.SETTLE, False), (rules.RELIEVE, False)):
        assert (act(state, rules.BRING_WOOD, order)[1] == STAY) is stays
    alone = lux.state(wood, workers=crew, cities=[([14], 100)])
    assert act(alone, rules.BRING_WOOD, rules.RELIEVE) == [STAY, STAY]


def test_the_city_of_the_opponent_is_walked_around():
    state = lux.state([(17, rules.WOOD, 9)], workers=[(14, EMPTY)], opponent=15)
    assert act(state, rules.BRING_WOOD)[0] in (NORTH, SOUTH)


def test_a_worker_beside_a_resource_stays_where_others_stand_on_it():
    state = lux.state([(17, rules.WOOD, 500)], workers=[(17, EMPTY), (16, EMPTY), (15, EMPTY)])
    acts = act(state, *[rules.BRING_WOOD] * 3)
    assert acts[:2] == [STAY, STAY] and acts[2] in (NORTH, SOUTH)


def test_workers_that_meet_pass_each_other():
    """One walks east to the wood and one west to the city in the same row."""
    state = lux.state([(17, rules.WOOD, 500)], workers=[(14, EMPTY), (15, FULL)], home=12)
    order = jnp.full(6, rules.BRING_WOOD)
    for _ in range(6):
        state = turn.play(state, PLAIN(state, order), jnp.zeros(36, jnp.int32))
    assert state.fuel[12] == 100 and state.workers.cell[0] % lux.SIZE > 2


def test_who_cannot_act_or_has_no_order_stays():
    state = lux.state([(17, rules.WOOD, 500)], workers=[(14, EMPTY), (20, EMPTY), (26, EMPTY)])
    tired = state._replace(workers=state.workers._replace(cooldown=jnp.array([1, 0, 0, 0, 0, 0])))
    acts = act(tired, rules.BRING_WOOD, rules.NO_ORDER, rules.BRING_WOOD)
    assert acts[:2] == [STAY, STAY] and acts[2] in (NORTH, EAST)


def test_orders_end_in_a_city_and_one_in_each_turn():
    workers = [(1, EMPTY), (0, EMPTY), (14, EMPTY)]
    before = lux.state(workers=workers, slots=4, turn=3)
    cell = before.workers.cell.at[0].set(0)
    after = before._replace(turn=jnp.int32(5), workers=before.workers._replace(cell=cell))
    # The second one was in the city before; the last slot is free.
    assert orders.ended(before, after).tolist() == [True, False, True, True]
    for time, due in ((4, 1), (5, 2), (6, 0), (7, 1)):
        stayed = before._replace(turn=jnp.int32(time))
        assert orders.ended(before, stayed).tolist() == [k in (due, 3) for k in range(4)]
    # Slots without a worker are passed over.
    alive = jnp.array([True, False, True, False])
    two = before._replace(turn=jnp.int32(7), workers=before.workers._replace(alive=alive))
    assert orders.ended(two, two).tolist() == [False, True, True, True]


def game(seed, research):
    """States of a game of random orders, and the orders."""
    rng, read = np.random.default_rng(seed), maps.load(12)
    fields = read.kind[seed], read.amount[seed], read.home[seed], read.opponent[seed]
    state = board.start(*map(jnp.asarray, fields), max_workers=rules.MAX_WORKERS)
    state = state._replace(research=jnp.int32(research), opponent_fuel=jnp.int32(10_000))
    play = jax.jit(lambda s, a: turn.play(s, a, decision.tile_rule(s)))
    for time in range(150):
        if time % 10 == 0:
            order = jnp.array(rng.choice(rules.ORDERS, rules.MAX_WORKERS))
        yield state, order
        state = play(state, PLAIN(state, order))


@pytest.mark.parametrize(("seed", "research"), [(0, 0), (1, 200)])
def test_whoever_goes_arrives(seed, research):
    """No worker is stopped by another one, or by the opponent."""
    resolve, num_moves = jax.jit(movement.resolve), 0
    for state, order in game(seed, research):
        action = PLAIN(state, order)
        _, moved = resolve(state, action)
        goes = (action >= NORTH) & (action <= WEST)
        np.testing.assert_array_equal(moved, goes & state.workers.alive)
        num_moves += int(goes.sum())
    assert num_moves > 100


def test_distances_are_those_of_a_search_in_numpy():
    """Oracle: the search of the team in the engine, for all goals, and that of the scripts for one without walls."""
    steps = jax.jit(orders.distances)
    for state, _ in list(game(2, 200))[::30]:
        found = dict(zip(rules.GOALS, np.asarray(steps(state)).reshape(-1, 12, 12), strict=True))
        position = parse(lux.lines(state, 0))
        planes = observation.map_planes(position, 0, 12)
        sources = observation.collectible(position, 0)
        expected = lux_orders.distances(position, planes, sources)
        assert found.keys() == expected.keys()
        for name, cells in expected.items():
            np.testing.assert_array_equal(found[name], cells, name)
        alone = state._replace(opponent_cell=jnp.int32(-1))
        city = steps(alone)[rules.GOALS.index("city")]
        np.testing.assert_array_equal(city, scripted.distance(np.asarray(state.city) >= 0))


def test_ways_lead_around_walls_and_end_at_twice_the_size():
    rows = ["G#....", ".#.##.", ".#.#..", "...#.#", "####..", "......"]
    board = np.array([list(row) for row in rows])
    goal, wall = (jnp.array((board == mark).ravel())[None] for mark in "G#")
    steps = np.asarray(orders.flood(goal, wall)).reshape(6, 6)
    assert steps[3, :3].tolist() == [3, 4, 5] and steps[0, 2:].tolist() == [8, 9, 10, 11]
    # Further than 11 steps, and in a wall.
    assert steps[1, 5] == steps[5, 0] == steps[0, 1] == 36
    expected = lux_orders.flood((board == "G")[None], (board == "#")[None])
    np.testing.assert_array_equal(steps[None], expected)
