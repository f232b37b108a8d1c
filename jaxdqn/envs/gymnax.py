"""Adapter to gymnax environments. The only module that imports gymnax."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdqn.config import ConfigError
from jaxdqn.envs import drawing, wrappers
from jaxdqn.envs.env import Env

BINARY = (
    "Asterix-MinAtar", "Breakout-MinAtar", "Freeway-MinAtar", "Seaquest-MinAtar", "SpaceInvaders-MinAtar",
    "Catch-bsuite", "DeepSea-bsuite", "Pong-misc",
)  # fmt: skip
"""Environments whose observations hold only the numbers 0 and 1; they become bool."""
RENDER = {
    "CartPole-v1": drawing.cart_pole,
    "Acrobot-v1": drawing.acrobot,
    "MountainCar-v0": drawing.mountain_car,
}


class GymnaxState(NamedTuple):
    """A state of gymnax and its observation, which some environments draw at random."""

    state: Any
    obs: jax.Array


def gymnax(name: str, *, env_params: Mapping[str, Any] | None = None, **arguments: Any) -> Env:
    """The gymnax environment `name`, such as `"CartPole-v1"`, with discrete actions.

    `arguments` are those of its constructor, for instance `use_minimal_action_set=False`;
    `env_params` replace its parameters, for instance `{"max_steps_in_episode": 10_000}`.
    The dynamics are those of gymnax. Binary images are bool `[H, W, C]`, discrete observations
    one-hot vectors; all others are passed through unchanged. Raises `ConfigError` if the name
    is unknown or the actions are not discrete.
    """
    package, spaces = _import()
    if not is_gymnax(name):
        raise ConfigError("env", name, "must be the name of a gymnax environment.")
    env, params = package.make(name, **arguments)
    params = params.replace(**(env_params or {}))
    actions, observations = env.action_space(params), env.observation_space(params)
    if not isinstance(actions, spaces.Discrete):
        kind = type(actions).__name__
        raise ConfigError("env", name, f"must have discrete actions; its action space is {kind}.")

    def reset(key: jax.Array) -> GymnaxState:
        obs, state = env.reset_env(key, params)
        return GymnaxState(state, obs)

    def step(key: jax.Array, before: GymnaxState, action: jax.Array):
        obs, state, reward, terminated, _ = env.step_env(key, before.state, action, params)
        return GymnaxState(state, obs), reward, jnp.asarray(terminated, bool)

    adapted = Env(
        reset,
        step,
        observe=lambda state: state.obs,
        num_actions=int(actions.n),
        time_limit=int(params.max_steps_in_episode),
    )
    if name in RENDER:
        draw = RENDER[name]
        adapted = adapted._replace(render=lambda state: draw(state.state))
    if name in BINARY:
        adapted = wrappers.binary(adapted)
    if isinstance(observations, spaces.Discrete):
        adapted = wrappers.one_hot(adapted, int(observations.n))
    return adapted


def is_gymnax(name: str) -> bool:
    """Whether gymnax has an environment of this name."""
    return name in _import()[0].registered_envs


def gymnax_names() -> list[str]:
    """The environments of gymnax with discrete actions, without the one that downloads its images."""
    package, spaces = _import()
    found = []
    for name in package.registered_envs:
        if name != "MNISTBandit-bsuite":
            env, params = package.make(name)
            if isinstance(env.action_space(params), spaces.Discrete):
                found.append(name)
    return found


def _import() -> tuple[Any, Any]:
    """The packages `gymnax` and `gymnax.environments.spaces`."""
    with _lazy_seaborn():
        # Imported here because it takes seconds and initialises the JAX backend.
        import gymnax
        from gymnax.environments import spaces
    return gymnax, spaces


@contextmanager
def _lazy_seaborn() -> Iterator[None]:
    """Defers seaborn, which only gymnax' Pong uses and which takes 3 of the 5 seconds of `import gymnax`."""

    class LazyModule(ModuleType):
        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module("seaborn"), attribute)

    if "seaborn" in sys.modules or "gymnax" in sys.modules:
        yield
        return
    sys.modules["seaborn"] = LazyModule("seaborn")
    try:
        yield
    finally:
        del sys.modules["seaborn"]
