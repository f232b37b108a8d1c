"""Recipes by the name of the environment: tuned ones, and by the kind of observation for all others."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdqn import envs, networks, policies, returns
from jaxdqn.config import Config, ConfigError
from jaxdqn.envs import Env
from jaxdqn.networks import MakeTorso
from jaxdqn.recipes import classic, lux, minatar, snake
from jaxdqn.recipes.algorithms import ALGORITHMS, AgentName
from jaxdqn.recipes.recipe import ObsScale, Recipe
from jaxdqn.training import rollout
from jaxdqn.transition import Transition

TUNED = classic.TUNED | minatar.TUNED | snake.TUNED | lux.TUNED
PROBE_ENVS, PROBE_STEPS = 16, 200
"""Size of the random rollout that measures observations, rewards and returns."""


class Probe(NamedTuple):
    """Measurements of a random rollout."""

    obs: np.ndarray
    """Largest magnitude of each number of an observation."""
    reward_min: float
    reward_max: float


def find(env_name: str, agent_name: AgentName = "dqn") -> Recipe:
    """The recipe for an environment, by any name of `envs.make`, and an agent.

    Without tuned hyperparameters, an image `[H, W, C]` gets a convolutional network and the
    hyperparameters of MinAtar, all else a multilayer perceptron. Numbers of a vector are scaled by
    their largest magnitude in a random rollout, the support of histograms by the rewards in it.
    Raises `ConfigError` if there is no such environment or if it is not supported.
    """
    if agent_name not in ALGORITHMS:
        raise ConfigError("agent", agent_name, f"must be one of {', '.join(ALGORITHMS)}.")
    env, algorithm = envs.make(env_name), ALGORITHMS[agent_name]
    obs = envs.check(env)
    if obs.ndim == 0 and np.issubdtype(obs.dtype, np.integer):
        rule = (
            "must not observe a single integer; make it a vector by envs.one_hot(env, num_values)."
        )
        raise ConfigError("env", env_name, rule)
    image = obs.ndim == 3 and min(obs.shape[:2]) >= 3
    tuned = TUNED.get(env_name) or (minatar.IMAGE if image else classic.VECTOR)
    numbers: dict[str, Any] = {
        **tuned.config,
        **algorithm.defaults,
        **tuned.agents.get(agent_name, {}),
    }
    scaled = tuned.obs_scale is None and obs.dtype != bool
    ranged = "v_max" in algorithm.fields and "v_max" not in numbers
    config, obs_scale, support = Config(**numbers), tuned.obs_scale or 1.0, None
    if scaled or ranged:
        probe = measure(env)
        obs_scale = scale_of(probe.obs, image) if scaled else obs_scale
        if ranged:
            support = functools.partial(value_range, probe, time_limit=env.time_limit)
            config = replace(config, **support(config.gamma))
    if image:
        algorithm = algorithm._replace(fields=algorithm.fields | {"channels"})
    return Recipe(
        env_name,
        env,
        agent_name,
        algorithm,
        conv_torso if image else functools.partial(mlp_torso, obs_ndim=obs.ndim),
        config,
        obs_scale,
        tuned.steps,
        tuned.eval_interval,
        tuned.solved_at,
        support,
        transform=tuned.transform,
    )


def mlp_torso(config: Config, obs_scale: ObsScale, obs_ndim: int = 1) -> MakeTorso:
    """Dense layers with layer normalisation, on observations with `obs_ndim` axes; a `Recipe.torso`."""
    return networks.mlp(config.features, obs_scale, networks.norm_relu, obs_ndim)


def conv_torso(config: Config, obs_scale: ObsScale) -> MakeTorso:
    """Convolutions and dense layers with layer normalisation, on images; a `Recipe.torso`."""
    return networks.conv(config.channels, config.features, networks.norm_relu, obs_scale)


def measure(env: Env) -> Probe:
    """Measures a random rollout; the same every time."""

    def extremes(transitions: Transition) -> tuple[jax.Array, ...]:
        obs = jnp.abs(transitions.next_obs.astype(jnp.float32)).max(axis=(0, 1))
        return obs, transitions.reward.min(), transitions.reward.max()

    obs, low, high = of_random_rollout(extremes, env, gamma=1.0)
    return Probe(obs, float(low), float(high))


def check_support(env: Env, config: Config) -> None:
    """Raises `ConfigError` if `v_min` to `v_max` does not contain the discounted returns of a random rollout.

    Returns that the end of the rollout cuts short count as they are.
    """

    def extremes(steps: Transition) -> tuple[jax.Array, jax.Array]:
        zero = jnp.zeros_like(steps.reward)
        found = returns.lambda_returns(steps.reward, steps.discount, steps.done, zero, 1.0)
        return found.min(), found.max()

    low, high = (float(f"{x:.4g}") for x in of_random_rollout(extremes, env, config.gamma))
    if config.v_min > low:
        rule = f"must be at most the lowest discounted return of random actions ({low})."
        raise ConfigError("v_min", config.v_min, rule)
    if config.v_max < high:
        rule = f"must be at least the highest discounted return of random actions ({high})."
        raise ConfigError("v_max", config.v_max, rule)


def of_random_rollout(measurement: Callable[[Transition], Any], env: Env, gamma: float) -> Any:
    """`measurement` of transitions `[PROBE_STEPS, PROBE_ENVS]` of random actions, on the host."""

    def play(key: jax.Array) -> Any:
        reset_key, key = jax.random.split(key)
        vector = envs.vectorize(env, PROBE_ENVS)
        actor, policy = rollout.init(reset_key, vector), policies.random(vector.num_actions)
        return measurement(rollout.collect(key, None, actor, vector, policy, gamma, PROBE_STEPS)[1])

    return jax.device_get(jax.jit(play)(jax.random.key(0)))


def scale_of(largest: np.ndarray, image: bool) -> ObsScale:
    """The reciprocal of `largest`, of all numbers of an image together, with two digits."""
    largest = largest.max(keepdims=True) if image else largest
    # Rounding errors and infinities are no measure of a scale.
    usable = (1e-6 < x < 1e30 for x in largest.ravel().tolist())
    factors = tuple(
        float(f"{1 / x:.1e}") if use else 1.0
        for x, use in zip(largest.ravel().tolist(), usable, strict=True)
    )
    return factors[0] if len(set(factors)) == 1 else factors


def value_range(probe: Probe, gamma: float, time_limit: int | None) -> dict[str, float]:
    """`v_min` and `v_max` of the return of the extreme rewards at every step, to two digits.

    The horizon is `1 / (1 - gamma)`, at most the time limit. Rewards that a random rollout does not
    reach are clipped. `v_max` is at least 1, which is what a goal that random actions miss is
    commonly worth; without any reward the range is [-1, 1].
    """
    horizon = min(1 / max(1 - gamma, 1e-3), time_limit or 1_000)
    low, high = min(probe.reward_min, 0.0) * horizon, max(probe.reward_max, 0.0) * horizon
    low, high = float(f"{low:.2g}"), float(f"{high:.2g}")
    return {"v_min": low if low < high else -1.0, "v_max": max(high, 1.0)}
