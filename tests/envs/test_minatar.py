"""MinAtar under the protocol of its paper: single situations, random numbers, and what differs from gymnax."""

import gymnax
import jax
import jax.numpy as jnp
import minatar
import numpy as np
import pytest
from helpers import minatar_games as games

from jaxdqn import envs
from jaxdqn.config import ConfigError
from jaxdqn.envs.minatar import GAMES, asterix, freeway, seaquest

pytestmark = pytest.mark.usefixtures("allow_key_reuse")


def entities(**changes):
    """A full board of Asterix with treasure far from the player."""
    alive = jnp.ones(8, bool)
    full = {"x": jnp.full(8, 2), "right": alive, "gold": alive, "alive": alive} | changes
    return asterix.Entities(**full)


def test_a_spawn_fills_a_free_row_and_deletes_nothing():
    """Gymnax deletes an entity of a full board, and one in eight times if one row is free."""
    keys = jax.random.split(jax.random.key(0), 200)
    before = entities()
    after = jax.vmap(asterix.spawn, in_axes=(0, None))(keys, before)
    assert after.alive.all() and (after.x == 2).all()
    one_free = entities(alive=jnp.arange(8) != 3)
    after = jax.vmap(asterix.spawn, in_axes=(0, None))(keys, one_free)
    assert after.alive.all() and set(np.unique(after.x[:, 3])) == {0, 9}

    gymnax_env, params = gymnax.make("Asterix-MinAtar")
    _, state = gymnax_env.reset(keys[0], params)
    columns = jnp.stack([before.x, jnp.arange(1, 9), *jnp.ones((3, 8), int)], axis=1)
    state = state.replace(entities=columns, spawn_timer=0)
    _, state, *_ = gymnax_env.step_env(keys[1], state, 0, params)
    assert state.entities[:, 4].sum() == 7


SEAQUEST = jax.jit(seaquest.seaquest().step)


def objects(kind, size, **columns):
    """The given first objects, alive, and others that are not."""
    given = (
        dict(x=5, y=3, right=True, move_timer=0, shot_timer=3, is_sub=True, alive=True) | columns
    )
    zeros = getattr(seaquest.reset(jax.random.key(0)), kind)
    return jax.tree.map(
        lambda zero, x: zero.at[:size].set(jnp.broadcast_to(jnp.array(x, zero.dtype), (size,))),
        zeros,
        zeros._replace(**{name: given[name] for name in zeros._fields}),
    )


@pytest.mark.parametrize(
    ("state", "action"),
    [
        # The newer diver swims to the submarine, the older one is there; there is room for one.
        ({"diver_count": 5, "divers": objects("divers", 2, x=[4, 5], move_timer=[0, 2])}, 0),
        # Two submarines swim into a bullet together.
        (
            {
                "bullets": objects("bullets", 1, x=8),
                "enemies": objects("enemies", 2, x=[8, 8], shot_timer=[4, 7]),
            },
            0,
        ),
        # A submarine is shot when it should fire.
        (
            {
                "bullets": objects("bullets", 1, x=6),
                "enemies": objects("enemies", 1, x=6, shot_timer=0),
            },
            0,
        ),
        # A bullet meets a submarine, and the fish that swims in front of it.
        (
            {
                "bullets": objects("bullets", 1, x=7),
                "enemies": objects("enemies", 2, x=8, is_sub=[True, False], move_timer=4),
            },
            0,
        ),
        # Surfacing without a diver.
        ({"y": 1, "oxygen": 50}, 2),
    ],
)
def test_situations_of_seaquest_in_which_the_order_matters(state, action):
    start = {"x": 5, "y": 3, "right": True, "surfaced": False} | state
    before = jax.tree.map(
        lambda old, new: jnp.asarray(new, old.dtype),
        seaquest.reset(jax.random.key(0)),
        seaquest.reset(jax.random.key(0))._replace(**start),
    )
    after, reward, terminated = SEAQUEST(jax.random.key(0), before, action)
    found = jax.device_get((before, action, after, reward, terminated, seaquest.observe(after)))
    assert games.agrees("Seaquest", games.original("Seaquest"), *found)


@pytest.mark.parametrize("game", ["Asterix", "Freeway", "Seaquest"])
def test_random_numbers_have_the_frequencies_of_the_original(game):
    keys = jax.random.split(jax.random.key(0), 20_000)
    if game == "Asterix":
        alive = jnp.arange(8) >= 3
        found = jax.vmap(asterix.spawn, in_axes=(0, None))(keys, entities(alive=alive))
        new = found.alive[:, :3]
        mean = [new[:, 0], new[:, 1], found.gold[:, :3][new], found.right[:, :3][new]]
        expected = [1 / 3, 1 / 3, 1 / 3, 1 / 2]
    elif game == "Freeway":
        speed = jax.vmap(freeway.reset)(keys).speed
        mean, expected = [speed == x for x in (-5, -1, 1, 5)], [1 / 10] * 4
    else:
        state = seaquest.reset(keys[0])._replace(spawn_timer=0, diver_timer=0)
        found = jax.vmap(seaquest.spawn, in_axes=(0, None))(keys, state)
        enemies, divers = (
            jax.tree.map(lambda x: x[:, 0], x) for x in (found.enemies, found.divers)
        )
        mean = [enemies.is_sub, enemies.right, enemies.y == 1, enemies.y == 8]
        mean += [divers.right, divers.y == 1, divers.y == 8]
        expected = [1 / 3, 1 / 2, 1 / 8, 1 / 8, 1 / 2, 1 / 8, 1 / 8]
    for x, p in zip(mean, expected, strict=True):
        np.testing.assert_allclose(x.mean(), p, atol=5 * np.sqrt(p * (1 - p) / x.size))


def test_an_episode_of_freeway_is_as_long_as_in_the_original():
    env, length = games.original("Freeway"), 0
    while not env.terminal:
        env.act(0)
        length += 1
    assert envs.minatar_paper("Freeway").time_limit == length == 2_501


@pytest.mark.parametrize("game", GAMES)
def test_the_two_protocols(game):
    theirs = minatar.Environment(games.MODULES[game])
    env = envs.make(f"minatar-paper/{game}")
    assert list(envs.check(env).shape) == theirs.state_shape()
    assert env.num_actions == theirs.num_actions() == 6
    assert env.time_limit == (2_501 if game == "Freeway" else None)
    env = envs.make(f"{game}-MinAtar")
    assert list(envs.check(env).shape) == theirs.state_shape()
    assert env.num_actions == len(theirs.minimal_action_set())
    assert env.time_limit == (2_500 if game == "Freeway" else 1_000)


def test_one_action_in_ten_is_sticky():
    env = envs.minatar_paper("Freeway")

    def repeats(key):
        keys = jax.random.split(key, 3)
        state, _, _ = env.step(keys[0], env.reset(keys[1]), jnp.int32(4))
        return env.step(keys[2], state, jnp.int32(2))[0][1] == 4

    found = jax.jit(jax.vmap(repeats))(jax.random.split(jax.random.key(0), 20_000))
    np.testing.assert_allclose(found.mean(), 0.1, atol=5 * np.sqrt(0.09 / 20_000))


def test_an_unknown_game_raises_an_error():
    with pytest.raises(ConfigError, match=r"game \(Pong\) must be one of Asterix, Breakout"):
        envs.minatar_paper("Pong")
    with pytest.raises(ConfigError, match="must be a known environment, such as minatar-paper/"):
        envs.make("minatar-paper/breakout")
