"""Variants of CartPole that the trained policies have not seen: longer episodes, other poles, noise."""

from collections.abc import Callable
from typing import Any

import jax

from jaxdqn import envs
from jaxdqn.envs import Env, VectorEnv
from jaxdqn.recipes.classic import CARTPOLE

LONG = 10_000
"""Time limit of the variant with long episodes, in steps."""


def cartpole(**env_params: Any) -> Env:
    """CartPole with other parameters."""
    return envs.gymnax(CARTPOLE, env_params=env_params)


def pole(scale: float) -> Env:
    """A pole `scale` times as long, of the same mass."""
    # Gymnax stores half the length and, separately, its product with the mass (0.1).
    half = 0.5 * scale
    return cartpole(length=half, polemass_length=0.1 * half)


def start(bound: float) -> Env:
    """Initial states uniform within ±`bound` instead of ±0.05."""
    env, scale = cartpole(), bound / 0.05

    def reset(key: jax.Array) -> Any:
        found = env.reset(key)
        names = ("x", "x_dot", "theta", "theta_dot")
        scaled = {name: scale * getattr(found.state, name) for name in names}
        return found._replace(state=found.state.replace(**scaled), obs=scale * found.obs)

    return env._replace(reset=reset)


MAKE: dict[str, Callable[[], Env]] = {
    f"episodes of {LONG:,} steps": lambda: cartpole(max_steps_in_episode=LONG),
    "pole twice as long": lambda: pole(2.0),
    "pole half as long": lambda: pole(0.5),
    "start within ±0.2": lambda: start(0.2),
    "5 % sticky actions": lambda: envs.sticky_actions(cartpole(), 0.05),
}
VARIANTS: dict[str, Callable[[int], VectorEnv]] = {
    name: lambda num_envs, make=make: envs.vectorize(make(), num_envs)
    for name, make in MAKE.items()
}
"""Name -> `(num_envs) -> VectorEnv`."""
