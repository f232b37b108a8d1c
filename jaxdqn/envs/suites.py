"""Adapters to jumanji, pgx and navix, which the optional extra `suites` installs."""

import importlib
import importlib.util
from typing import Any

import jax
import jax.numpy as jnp

from jaxdqn.config import ConfigError
from jaxdqn.envs.env import Env

NO_LIMIT = 2**31 - 1


def jumanji(name: str, **arguments: Any) -> Env:
    """The environment `name` of jumanji, such as `"Snake-v1"`; `arguments` are those of `jumanji.make`.

    Of an observation with several arrays the action mask and the step count are left out; if more
    than one array is left, they are joined to one float32 vector.
    """
    package = _import("jumanji")
    env: Any = package.make(name, **arguments)
    if not hasattr(env.action_spec, "num_values") or jnp.ndim(env.action_spec.num_values):
        raise ValueError("must have one discrete action.")
    time_limit, env.time_limit = getattr(env, "time_limit", None), NO_LIMIT

    def observe(state: tuple[Any, Any]) -> jax.Array:
        obs = state[1]._asdict() if hasattr(state[1], "_asdict") else {"obs": state[1]}
        left_out = "action_mask", "step_count"
        arrays = jax.tree.leaves({k: v for k, v in obs.items() if k not in left_out})
        if len(arrays) == 1:
            return arrays[0]
        return jnp.concatenate([x.ravel().astype(jnp.float32) for x in arrays])

    def reset(key: jax.Array) -> tuple[Any, Any]:
        state, timestep = env.reset(key)
        return state, timestep.observation

    def step(key: jax.Array, state: tuple[Any, Any], action: jax.Array):
        del key
        after, timestep = env.step(state[0], action)
        return (after, timestep.observation), timestep.reward, timestep.discount == 0

    return Env(reset, step, observe, int(env.action_spec.num_values), time_limit)


def pgx(name: str, **arguments: Any) -> Env:
    """The environment `name` of pgx for one player, such as `"minatar-breakout"`.

    The MinAtar games are exact ports with the sticky actions of the original (probability 0.1) and
    no time limit. `arguments` are those of `pgx.make`.
    """
    package = _import("pgx")
    env: Any = package.make(name, **arguments)
    if env.num_players != 1:
        raise ValueError(f"must be for one player, not {env.num_players}.")

    def step(key: jax.Array, state: Any, action: jax.Array):
        state = env.step(state, action, key)
        return state, state.rewards[0], state.terminated

    return Env(env.init, step, lambda state: state.observation, env.num_actions)


def navix(name: str, **arguments: Any) -> Env:
    """The environment `name` of navix, such as `"Navix-Empty-5x5-v0"`; `arguments` are those of `navix.make`."""
    package = _import("navix")
    env: Any = package.make(name, **arguments)

    def step(key: jax.Array, timestep: Any, action: jax.Array):
        del key
        # Not `step`, which resets.
        timestep = env._step(timestep, action)
        return timestep, timestep.reward, timestep.step_type == 2

    return Env(
        env.reset, step, lambda timestep: timestep.observation, len(env.action_set), env.max_steps
    )


SUITES = {"jumanji": jumanji, "pgx": pgx, "navix": navix}
LISTING = {
    "jumanji": lambda package: package.registered_environments(),
    "pgx": lambda package: package.available_envs(),
    "navix": lambda package: package.registry(),
}


def names(suite: str) -> list[str]:
    """The environments of `suite` with its prefix; raises `ConfigError` if it is not installed."""
    return [f"{suite}/{name}" for name in LISTING[suite](_import(suite))]


def is_installed(suite: str) -> bool:
    """Whether the package of `suite` is installed."""
    return importlib.util.find_spec(suite) is not None


def _import(suite: str) -> Any:
    """The package, imported when it is used because it is optional."""
    try:
        return importlib.import_module(suite)
    except Exception as error:  # It may be missing, or broken by another version of JAX.
        rule = f'needs {suite}, which cannot be imported ({error}): pip install -e ".[suites]"'
        raise ConfigError("env", suite, rule) from None
