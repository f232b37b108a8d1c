"""The protocol of Young & Tian (2019), arXiv:1903.03176, for all games of MinAtar."""

from collections.abc import Callable

import jax

from jaxdqn.config import ConfigError
from jaxdqn.envs import wrappers
from jaxdqn.envs.env import Env
from jaxdqn.envs.gymnax import GymnaxState, gymnax
from jaxdqn.envs.minatar.asterix import asterix
from jaxdqn.envs.minatar.freeway import freeway
from jaxdqn.envs.minatar.seaquest import seaquest


def minatar_paper(
    game: str, *, sticky_action_prob: float = 0.1, difficulty_ramping: bool = True
) -> Env:
    """A game of MinAtar as in version 1.0.15 of the original, by its name, such as `"Breakout"`.

    Six actions, sticky actions, no time limit but that of Freeway; the arguments are those of the
    original. Given the same random numbers, states, rewards and ends are those of the original,
    except that the first step of an episode repeats no action: the original may repeat the last
    action of the previous episode. Raises `ConfigError` if there is no such game.

    The games of gymnax (`envs.gymnax("Breakout-MinAtar")`) have a limit of 1,000 steps and by
    default no sticky actions and only the actions with an effect. Other differences of gymnax 1.0.1:

    - Asterix: a spawn on a full board deletes an entity, and so does one of eight spawns with one free row.
    - Freeway: 2,500 steps instead of 2,501.
    - Seaquest: a submarine that is shot when it should fire does not fire; of two divers
      that meet the submarine when there is room for one, or of two enemies that swim into a
      bullet together, the other one is taken; surfacing without a diver refills the oxygen.
    """
    if game not in GAMES:
        raise ConfigError("game", game, f"must be one of {', '.join(GAMES)}.")
    return wrappers.sticky_actions(GAMES[game](difficulty_ramping), sticky_action_prob)


def breakout(difficulty_ramping: bool) -> Env:
    """That of gymnax, which is exact."""
    del difficulty_ramping
    return wrappers.time_limit(gymnax("Breakout-MinAtar", use_minimal_action_set=False), None)


def space_invaders(difficulty_ramping: bool) -> Env:
    """That of gymnax, which is exact; its state tells whether the difficulty ramps."""
    env = gymnax("SpaceInvaders-MinAtar", use_minimal_action_set=False)

    def reset(key: jax.Array) -> GymnaxState:
        found = env.reset(key)
        return found._replace(state=found.state.replace(ramping=difficulty_ramping))

    return wrappers.time_limit(env._replace(reset=reset), None)


GAMES: dict[str, Callable[[bool], Env]] = {
    "Asterix": asterix,
    "Breakout": breakout,
    "Freeway": lambda difficulty_ramping: freeway(),
    "Seaquest": seaquest,
    "SpaceInvaders": space_invaders,
}
"""Name -> `(difficulty_ramping) -> Env` without sticky actions."""
