"""What the worker that gets an order sees."""

import jax.numpy as jnp
import numpy as np
from helpers import lux

from jaxdqn.envs.lux import observation, rules
from jaxdqn.envs.lux.rules import BRING_WOOD, NO_ORDER, SETTLE, SHELTER

FULL, EMPTY = (100, 0, 0), (0, 0, 0)


def channel(obs, name):
    return obs[..., observation.CHANNELS.index(name)]


def test_the_observation_is_centred_on_the_worker():
    resources = [(8, rules.WOOD, 250), (15, rules.COAL, 100), (35, rules.URANIUM, 500)]
    crew = [(14, FULL), (20, (0, 50, 0)), (13, EMPTY)]
    game = lux.state(
        resources, workers=crew, cities=[([20, 21], 5 * 360)], opponent=5, research=100, turn=35
    )
    order = jnp.array([SETTLE, BRING_WOOD, SHELTER, *[NO_ORDER] * 3])
    opponents = jnp.arange(36) == 5
    obs = observation.observe(game, jnp.int32(1), order, opponents)
    assert obs.shape == (11, 11, len(observation.CHANNELS)) and obs.dtype == jnp.uint8
    # Worker 1 is on cell (2, 3), the centre (5, 5): cell (x, y) is at [y + 2, x + 3].
    inside = np.zeros((11, 11), bool)
    inside[2:8, 3:9] = True
    np.testing.assert_array_equal(channel(obs, "inside the board"), 255 * inside)
    expected = {
        "wood": {(2, 1): 128},
        "coal": {(3, 2): 51},
        "uranium": {(5, 5): 255},
        "city tile": {(2, 3): 255, (3, 3): 255},
        "nights for which its city has fuel, up to 10": {(2, 3): 128, (3, 3): 128},
        "city tile of the opponent": {(5, 0): 255},
        "worker": {(2, 2): 255, (2, 3): 255, (1, 2): 255},
        "its cargo": {(2, 2): 255, (2, 3): 128},
        "worker that brings fuel to a city": {(2, 3): 255},
        "worker that will build a city tile": {(2, 2): 255},
    }
    for name, cells in expected.items():
        plane = np.zeros((11, 11), int)
        for (x, y), value in cells.items():
            plane[y + 2, x + 3] = value
        np.testing.assert_array_equal(channel(obs, name), plane, name)
    numbers = {
        "wood in the cargo": 0,
        "coal in the cargo": 128,
        "can build a city tile here": 0,
        "turn of the day and night": np.ceil(35 / 40 * 255),
        "night": 255,
        "turn of the game": np.ceil(35 / 360 * 255),
        "research towards coal": 255,
        "research towards uranium": 128,
        "workers per city tile": 255,
        "workers that bring fuel to a city, per worker": 85,
        "workers that will build a city tile, per worker": 85,
        "city tiles, up to 64": np.ceil(2 / 64 * 255),
        "fuel of the cities for a night, each at most what it needs": 255,
        "turns of night for which the poorest city has fuel, up to two nights": 255,
        "steps south to the nearest city tile": 128,
        "steps east to the nearest city tile": 128,
        # Wood at (2, 1) is as near to (2, 3) as coal at (3, 2), and comes first.
        "steps south to the nearest resource that can be collected": np.ceil((6 - 2) / 12 * 255),
        "steps east to the nearest resource that can be collected": 128,
    }
    for name, value in numbers.items():
        assert (channel(obs, name) == value).all(), name
    other = observation.observe(game, jnp.int32(0), jnp.zeros(6, jnp.int32), opponents)
    assert (channel(other, "can build a city tile here") == 255).all()
    # From (2, 2) the city is at (2, 3).
    south = channel(other, "steps south to the nearest city tile")
    assert (south == np.ceil((6 + 1) / 12 * 255)).all()


def test_the_nearest_resource_is_one_that_is_known():
    """Wood lies two cells to the west of the worker, uranium one cell to the east."""

    def east(research):
        game = lux.state(
            [(13, rules.WOOD, 100), (16, rules.URANIUM, 100)],
            workers=[(15, EMPTY)],
            research=research,
        )
        obs = observation.observe(game, jnp.int32(0), jnp.zeros(6, jnp.int32), jnp.zeros(36, bool))
        name = "steps east to the nearest resource that can be collected"
        return int(channel(obs, name)[0, 0])

    assert east(199) == np.ceil((6 - 2) / 12 * 255) and east(200) == np.ceil((6 + 1) / 12 * 255)


def test_without_a_city_or_a_resource_no_step_leads_to_the_nearest():
    game = lux.state(workers=[(14, EMPTY)])._replace(city=jnp.full(36, -1))
    obs = observation.observe(game, jnp.int32(0), jnp.zeros(6, jnp.int32), jnp.zeros(36, bool))
    assert (obs[..., -4:] == 128).all()
