"""MinAtar under the protocol of its paper, against the original package, step by step."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest
from helpers import minatar_games as games

from jaxdqn import envs
from jaxdqn.envs.minatar import GAMES

pytestmark = pytest.mark.usefixtures("allow_key_reuse")
NUM_ENVS, NUM_STEPS = 16, 250


class Steps(NamedTuple):
    """`before` is the state of the action, `obs` that of its successor `after`."""

    before: Any
    action: Any
    after: Any
    reward: Any
    terminated: Any
    obs: Any


def track(state):
    """Breakout: towards the column of the ball, so that walls are cleared."""
    # Directions 1 and 2 are to the right.
    goal = state.state.ball_x + jnp.where((state.state.ball_dir + 3) % 4 < 2, 1, -1)
    return jnp.where(goal < state.state.pos, 1, jnp.where(goal > state.state.pos, 3, 0))


def dive(state):
    """Seaquest: up from below and down from the surface, so that the difficulty increases."""
    return jnp.where(state.y == 0, 4, 2)


def cross(state):
    """Freeway: up."""
    return 2


POLICIES = {"Breakout": track, "Seaquest": dive, "Freeway": cross}
"""Mixed with random actions; otherwise these alone."""


def disturb(game, state):
    """The state after a step, changed so that rare events become frequent, and not terminal."""
    if game == "Asterix":
        return state._replace(ramp_timer=jnp.minimum(state.ramp_timer, 2))
    if game == "Seaquest":
        # With -1 divers, as after the rescue of six, every surfacing increases the difficulty.
        aboard = jnp.where(state.oxygen % 8 == 0, 6, -1)
        return state._replace(
            oxygen=jnp.where(state.oxygen <= 0, 200, state.oxygen),
            diver_count=jnp.where(state.diver_count == 0, aboard, state.diver_count),
        )
    if game == "Breakout":
        inner = state.state
        rare = (inner.time % 20 == 0) & ~inner.terminal
        bricks = jnp.where(rare, 0.0, inner.brick_map)
        return state._replace(state=inner.replace(brick_map=bricks))
    if game == "SpaceInvaders":
        inner = state.state
        few = inner.alien_map * jax.nn.one_hot(inner.pos, 10)[None]
        alien_map = jnp.where((inner.time % 20 == 0) & few.any(), few, inner.alien_map)
        interval = jnp.minimum(inner.enemy_move_interval, 7)
        changed = {"alien_map": alien_map, "enemy_move_interval": interval}
        return state._replace(state=inner.replace(terminal=False, **changed))
    return state


@functools.cache
def play(game, difficulty_ramping):
    """`NUM_STEPS` steps in each of `NUM_ENVS` environments; every second one is disturbed, and the player immortal."""
    env = GAMES[game](difficulty_ramping)
    disturbed = jnp.arange(NUM_ENVS) % 2 == 0
    immortal = disturbed & (game != "Breakout")
    # How often the policy of the game acts instead of a random one.
    share = jnp.linspace(0.0, 0.95, NUM_ENVS)

    def step(state, key):
        random_key, mix_key, step_key, reset_key = jax.random.split(key, 4)
        action = jax.random.randint(random_key, (NUM_ENVS,), 0, 6)
        if game in POLICIES:
            own = jax.random.uniform(mix_key, NUM_ENVS) < share
            action = jnp.where(own, jax.vmap(POLICIES[game])(state), action)
        keys = jax.random.split(step_key, NUM_ENVS)
        after, reward, terminated = jax.vmap(env.step)(keys, state, action)
        new = jax.vmap(env.reset)(jax.random.split(reset_key, NUM_ENVS))
        going = jax.vmap(functools.partial(disturb, game))(after)
        going = envs.where(disturbed, going, after)
        going = envs.where(jnp.asarray(terminated, bool) & ~immortal, new, going)
        obs = jax.vmap(env.observe)(after)
        return going, (state, action, after, reward, terminated, obs)

    def whole(key):
        reset_key, key = jax.random.split(key)
        state = jax.vmap(env.reset)(jax.random.split(reset_key, NUM_ENVS))
        state = jax.tree.map(jnp.asarray, state)
        return jax.lax.scan(step, state, jax.random.split(key, NUM_STEPS))[1]

    found = jax.device_get(jax.jit(whole)(jax.random.key(0)))
    return Steps(*jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found))


def at(tree, k):
    return jax.tree.map(lambda x: x[k], tree)


@pytest.mark.slow
@pytest.mark.parametrize("ramping", [True, False], ids=["ramping", "constant"])
@pytest.mark.parametrize("game", GAMES)
def test_every_step_is_one_of_the_original(game, ramping):
    steps = play(game, ramping)
    env = games.original(game, ramping)
    assert steps.obs.dtype == bool
    for k in range(len(steps.action)):
        step = at(steps, k)
        assert games.agrees(game, env, *step), (k, step)


@pytest.mark.slow
@pytest.mark.parametrize("game", GAMES)
def test_the_steps_contain_the_rare_events(game):
    """Otherwise their comparison with the original would say nothing about them."""
    before, _, after, reward, terminated, _ = play(game, True)
    assert reward.sum() > 10 and (terminated.sum() > 20) == (game != "Freeway")
    if game == "Asterix":
        full = (before.spawn_timer == 0) & before.entities.alive.all(axis=1)
        assert full.sum() > 50 and after.ramp_index.max() == 9 and after.move_speed.min() == 1
    if game == "Breakout":
        bricks = [x.state.brick_map.sum(axis=(1, 2)) for x in (before, after)]
        assert (bricks[1] > bricks[0]).any()
    if game == "Seaquest":
        assert (after.spawn_speed.min(), after.move_speed.min(), reward.max()) == (1, 2, 9)
        assert (after.diver_count > before.diver_count).sum() > 3
    if game == "SpaceInvaders":
        assert after.state.enemy_move_interval.min() == 6
