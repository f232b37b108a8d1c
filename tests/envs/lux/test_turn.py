"""Rules of Lux by hand; `tests/experiments/lux` compares whole games with the official engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lux

from jaxdqn.envs.lux import board, collection, maps, movement, rules, turn
from jaxdqn.envs.lux.rules import BUILD_CITY, EAST, NORTH, SOUTH, STAY, WEST

FULL = (100, 0, 0)
EMPTY = (0, 0, 0)
play = jax.jit(turn.play)


def actions(*worker, tiles=()):
    """Actions of the first workers, and of `tiles`, pairs of cell and action."""
    tile = np.zeros(lux.SIZE**2, np.int32)
    for cell, action in tiles:
        tile[cell] = action
    return jnp.array([*worker, *[STAY] * (6 - len(worker))]), jnp.array(tile)


def moved(cells, directions, **fields):
    """The cells of workers at `cells` after they move."""
    state = lux.state(workers=[(cell, EMPTY) for cell in cells], **fields)
    return movement.resolve(state, actions(*directions)[0])[0][: len(cells)].tolist()


@pytest.mark.parametrize(
    ("cells", "directions", "after"),
    [
        ([14, 16], [EAST, WEST], [14, 16]),  # Both would enter cell 15.
        ([14, 15], [EAST, WEST], [15, 14]),  # They exchange their cells.
        ([14, 15], [EAST, STAY], [14, 15]),  # The cell is held.
        ([14, 15, 16], [EAST, EAST, EAST], [15, 16, 17]),  # A row moves.
        ([14, 15, 16, 18], [EAST, EAST, EAST, STAY], [15, 16, 17, 18]),
        ([15, 16, 17], [EAST, EAST, EAST], [15, 16, 17]),  # The first one cannot leave the board.
        (
            [14, 15, 17],
            [EAST, EAST, WEST],
            [14, 15, 17],
        ),  # The collision stops the one behind, too.
        ([29, 34], [SOUTH, EAST], [29, 34]),  # The city tile of the opponent.
        ([1, 6], [WEST, NORTH], [0, 0]),  # A city tile holds any number.
    ],
)
def test_collisions(cells, directions, after):
    assert moved(cells, directions) == after


def test_a_worker_in_cooldown_stays_and_holds_its_cell():
    state = lux.state(workers=[(14, EMPTY), (15, EMPTY)])
    workers = state.workers._replace(cooldown=jnp.array([0, 1, 0, 0, 0, 0]))
    cell, did = movement.resolve(state._replace(workers=workers), actions(EAST, EAST)[0])
    assert cell[:2].tolist() == [14, 15] and not did.any()


@pytest.mark.parametrize(
    ("amount", "asks", "given", "left"),
    [
        (100, [20, 20], [20, 20], 60),
        (30, [20, 20], [15, 15], 0),
        (31, [20, 20], [15, 15], 0),  # One is left, and lost.
        (30, [5, 20], [5, 20], 5),
        (41, [20, 20], [20, 20], 0),  # Less than one for each: lost, although nobody asks for more.
        (1, [0, 20], [0, 0], 0),  # A request of nothing counts at first.
        (1, [0, 0], [0, 0], 1),
        (7, [1, 2, 20], [1, 2, 4], 0),
    ],
)
def test_shares_of_a_cell(amount, asks, given, left):
    counts = jnp.bincount(jnp.array(asks), length=21)[:, None]
    level, rest = collection.share(jnp.array([amount]), counts)
    assert np.minimum(asks, level).tolist() == given and rest.tolist() == [left]


def test_collects_uranium_then_coal_then_wood():
    resources = [(13, rules.URANIUM, 300), (15, rules.COAL, 300), (8, rules.WOOD, 300)]
    state = lux.state(resources, workers=[(14, (90, 0, 0))], research=200)
    after = collection.collect(state)
    assert after.workers.cargo[0].tolist() == [93, 5, 2]
    # Two of each are asked for, as far as the cargo reaches; wood asks for what is left, 3.
    assert after.amount[jnp.array([13, 15, 8])].tolist() == [298, 295, 297]
    without = collection.collect(state._replace(research=jnp.int32(50)))
    assert without.workers.cargo[0].tolist() == [95, 5, 0]


def test_workers_in_a_city_collect_for_it_and_equal_ones_count_once():
    resources = [(13, rules.WOOD, 300), (15, rules.WOOD, 300)]
    crew = [(14, EMPTY), (14, EMPTY), (14, (95, 0, 0))]
    state = lux.state(resources, workers=crew, cities=[([14], 0)])
    after = play(state, *actions())
    # 20 for the empty ones, 3 for the other from each cell, then 95 of its cargo; regrowth of 277 by 7.
    assert after.fuel[14] == 2 * 23 + 95 and not after.workers.cargo.any()
    assert after.amount[13] == 284


def test_a_city_tile_joins_the_cities_that_it_touches():
    cities = [([13], 10), ([15, 16], 200), ([33], 5)]
    state = lux.state(workers=[(14, (60, 40, 0)), (4, FULL)], cities=cities)
    after = play(state, *actions(BUILD_CITY, BUILD_CITY))
    name = int(after.city[14])
    assert np.flatnonzero(after.city == name).tolist() == [13, 14, 15, 16]
    assert after.fuel[name] == 210 and after.upkeep[name] == 4 * 23 - 6 * 5
    # The other builds a city of its own; nothing is left of the cargo, the cooldown of 2 is 1.
    assert after.upkeep[after.city[4]] == 23 and not after.workers.cargo.any()
    assert sorted(after.fuel[after.fuel > 0].tolist()) == [5, 210]
    assert np.flatnonzero(after.upkeep).tolist() == sorted(
        set(after.city[after.city >= 0].tolist())
    )


@pytest.mark.parametrize("cargo", [(99, 0, 0), FULL])
@pytest.mark.parametrize("resource", [[], [(14, rules.COAL, 1)]])
def test_builds_with_a_full_cargo_on_an_empty_cell(cargo, resource):
    after = play(lux.state(resource, workers=[(14, cargo)]), *actions(BUILD_CITY))
    assert (after.city[14] >= 0) == (cargo == FULL and not resource)


def test_tiles_build_no_more_workers_than_there_are_tiles_and_slots():
    tiles = [20, 21, 22, 23, 26, 27, 28, 29]
    state = lux.state(workers=[(20, EMPTY), (20, EMPTY)], cities=[(tiles[:3], 1_000)])
    want = actions(tiles=[(tile, rules.BUILD_WORKER) for tile in tiles])
    after = play(state, *want)
    assert after.workers.alive.sum() == 3 and after.workers.cell[2] == 20
    assert after.tile_cooldown[jnp.array(tiles[:3])].tolist() == [9, 0, 0]
    after = play(lux.state(workers=[(20, EMPTY)], cities=[(tiles, 1_000)]), *want)
    assert after.workers.alive.all() and after.workers.cell[1:].tolist() == tiles[:5]


def test_research_counts_and_tiles_wait_ten_turns():
    state, acts = lux.state(), actions(tiles=[(0, rules.RESEARCH), (1, rules.RESEARCH)])
    for _ in range(11):
        state = play(state, *acts)
    assert state.research == 2


def test_a_night_takes_fuel_from_cities_and_cargo_from_workers_outside():
    crew = [(14, (3, 5, 1)), (15, (3, 0, 0)), (16, (4, 0, 0)), (21, FULL), (33, EMPTY)]
    cities = [([20, 21], 35), ([33], 23)]
    state = lux.state(workers=crew, cities=cities, turn=30, opponent_fuel=100)
    after = play(state, *actions())
    # The first pays with its wood and a unit of coal, the second cannot; the worker in city 20 gave
    # its cargo to it; it can pay 2 * 23 - 10.
    assert after.workers.alive[:5].tolist() == [True, False, True, True, True]
    assert after.workers.cargo[0].tolist() == [0, 4, 1] and not after.workers.cargo[2].any()
    assert after.fuel[20] == 35 + 100 - 36 and after.fuel[33] == 0 and after.city[33] == 33
    assert after.opponent_fuel == 77 and not after.over
    dark = play(after, *actions())
    assert (dark.city[33] < 0) and not dark.workers.alive[4]


def test_the_game_ends_with_a_team_or_after_360_turns():
    assert play(lux.state(turn=30, opponent_fuel=22), *actions()).over
    assert play(lux.state(turn=359, opponent_fuel=50), *actions()).over
    assert play(lux.state(turn=30, opponent_fuel=50), *actions()).over  # All of ours is lost.
    assert not play(lux.state(turn=29), *actions()).over


def test_moves_cost_more_turns_at_night_and_none_in_a_city():
    crew = [(14, FULL), (1, FULL)]
    for begin, wait in ((0, 1), (30, 3)):
        state = lux.state(workers=crew, turn=begin, opponent_fuel=50, cities=[([0], 50)])
        after = play(state, *actions(EAST, WEST))
        assert after.workers.cell[:2].tolist() == [15, 0]
        assert after.workers.cooldown[:2].tolist() == [wait, 0]


def test_wood_grows_by_a_fortieth_to_500():
    resources = [(cell, rules.WOOD, amount) for cell, amount in ((8, 1), (9, 41), (10, 499))]
    resources += [(11, rules.WOOD, 800), (12, rules.COAL, 100)]
    after = play(lux.state(resources), *actions())
    assert after.amount[8:13].tolist() == [2, 43, 500, 800, 100]


def test_maps_are_those_of_the_engine_and_training_and_test_share_none():
    for size in maps.SIZES:
        train, test = (maps.load(size, split) for split in maps.SPLITS)
        assert not set(train.seed) & set(test.seed)
        for found in (train, test):
            assert found.kind.shape == found.amount.shape == (len(found.seed), size**2)
            cells = np.arange(len(found.seed))
            assert not found.amount[cells, found.home].any()
            assert ((found.amount > 0) == (found.kind > 0)).all()
            # Every map is its own mirror image, with the teams exchanged.
            grid = found.amount.reshape(-1, size, size)
            mirrored = (grid == grid[:, ::-1]).all((1, 2)) | (grid == grid[:, :, ::-1]).all((1, 2))
            assert mirrored.all()
    with pytest.raises(ValueError, match=r"size \(24\) must be one of"):
        maps.load(24)
    with pytest.raises(ValueError, match=r"split \(all\) must be one of"):
        maps.load(12, "all")


def test_neighbours_of_a_corner():
    assert board.neighbours(36)[5].tolist() == [5, 36, 36, 11, 4]
