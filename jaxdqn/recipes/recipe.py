"""Recipes: an environment, an agent, and the hyperparameters with which they go together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import optax

from jaxdqn import envs, evaluation, policies
from jaxdqn.agents import Agent
from jaxdqn.agents.agent import without_noise
from jaxdqn.config import UNIT, Config, ConfigError, check, fill, require, round_up
from jaxdqn.envs import Env
from jaxdqn.networks import MakeTorso
from jaxdqn.policies import Policy
from jaxdqn.recipes.algorithms import Algorithm, Torso
from jaxdqn.training import dqn, pqn
from jaxdqn.training.session import Evaluate
from jaxdqn.training.trainer import Trainer

ObsScale = float | tuple[float, ...]


def linear_decay(config: Config, num_updates: int) -> optax.Schedule:
    """The learning rate against updates: linear from `learning_rate` to 0."""
    return optax.linear_schedule(config.learning_rate, 0.0, num_updates)


@dataclass(frozen=True)
class Recipe:
    """An environment, an agent and its hyperparameters; `dataclasses.replace` changes a part."""

    env_name: str
    env: Env
    agent_name: str
    algorithm: Algorithm
    torso: Callable[[Config, ObsScale], MakeTorso]
    """`(config, obs_scale) -> torso`, with hidden layers from `config.features`; some heads take the last one."""
    config: Config
    obs_scale: ObsScale = 1.0
    """Factor of observations in the network, a number or one for each number of an observation."""
    steps: int = 50_000
    """Environment steps of a training."""
    eval_interval: int = 1_000
    """Environment steps between two evaluations."""
    solved_at: float | None = None
    """Mean evaluation return from which the environment counts as solved; None if undefined."""
    support: Callable[[float], Mapping[str, float]] | None = None
    """`(gamma) -> v_min, v_max` if they were measured and not tuned."""
    learning_rate: Callable[[Config, int], optax.Schedule] = linear_decay
    """`(config, num_updates) -> schedule`."""
    transform: Callable[[Trainer], Trainer] = lambda trainer: trainer
    """Applied to the trainer, such as `functools.partial(training.average, decay=0.999)`."""

    def with_agent(self, make_agent: Callable[[Torso, int, Config], Agent]) -> "Recipe":
        """The recipe with `make_agent(torso, num_actions, config)` in place of its agent."""
        return replace(self, algorithm=self.algorithm._replace(agent=make_agent))

    def check(self, config: Config, total_steps: int) -> None:
        """Raises `ConfigError` if hyperparameters that are read are invalid for `total_steps`."""
        check(config, total_steps, self.algorithm.fields)
        if "channels" in self.algorithm.fields:
            height, width, _ = envs.check(self.env).shape
            if min(height, width) <= 2 * len(config.channels):
                rule = f"must leave a cell of the image ({height} x {width}); each layer takes two."
                raise ConfigError("channels", config.channels, rule)

    def hyperparameters(self, config: Config) -> dict[str, Any]:
        """The fields of `config` that are read."""
        read = (f.name for f in fields(config) if f.name in self.algorithm.fields)
        return {name: getattr(config, name) for name in read}

    def obs(self, num_envs: int) -> jax.ShapeDtypeStruct:
        """Shape and dtype of `num_envs` observations."""
        one = envs.check(self.env)
        return jax.ShapeDtypeStruct((num_envs, *one.shape), one.dtype)

    def agent(self, config: Config | None = None) -> Agent:
        """The agent with its network."""
        config = config or self.config
        return self.algorithm.agent(
            lambda config: self.torso(config, self.obs_scale), self.env.num_actions, config
        )

    def policy(self, config: Config | None = None, *, epsilon: float = 0.0) -> Policy:
        """The greedy policy, or with `epsilon` above 0 the ε-greedy one; without parameter noise.

        Raises `ConfigError` if `epsilon`, a number that is not traced, is not in [0, 1].
        """
        require("epsilon", float(epsilon), *UNIT)
        q_values = self.agent(config).q_values
        if epsilon == 0:
            return policies.greedy(q_values)
        return policies.epsilon_greedy(without_noise(q_values), epsilon)

    def evaluate(
        self, num_episodes: int, config: Config | None = None, *, epsilon: float = 0.0
    ) -> Evaluate:
        """`(key, params) -> Evaluation` of `policy`, one episode in each environment."""
        policy, env = self.policy(config, epsilon=epsilon), envs.vectorize(self.env, num_episodes)

        def evaluate(key: Any, params: Any) -> evaluation.Evaluation:
            return evaluation.evaluate(key, params, env, policy)

        return evaluate

    def trainer(self, config: Config | None = None, total_steps: int | None = None) -> Trainer:
        """Training for `total_steps` environment steps; both arguments default to those of the recipe.

        Floats of `config` may be traced.
        """
        config, total_steps = config or self.config, total_steps or self.steps
        make = self._without_replay if self.algorithm.replay is None else self._from_replay
        return self.transform(make(config, total_steps))

    def _from_replay(self, config: Config, total_steps: int) -> Trainer:
        assert self.algorithm.replay is not None
        starts = round_up(config.learning_starts, config.num_envs)
        iterations = (total_steps - starts) // (config.num_envs * config.num_steps)
        num_updates = iterations * config.num_updates
        config = fill(config, total_steps)
        return dqn(
            envs.vectorize(self.env, config.num_envs),
            self.agent(config),
            self.algorithm.replay(config, num_updates),
            self._optimizer(config, num_updates),
            self.algorithm.epsilon(config, total_steps),
            num_steps=config.num_steps,
            num_updates=config.num_updates,
            learning_starts=config.learning_starts,
            gamma=config.gamma,
            target_period=config.target_period,
            tau=config.tau,
        )

    def _without_replay(self, config: Config, total_steps: int) -> Trainer:
        iterations = total_steps // (config.num_envs * config.num_steps)
        num_updates = iterations * config.num_epochs * config.num_minibatches
        return pqn(
            envs.vectorize(self.env, config.num_envs),
            self.agent(config),
            self._optimizer(config, num_updates),
            self.algorithm.epsilon(config, total_steps),
            config.num_steps,
            config.num_epochs,
            config.num_minibatches,
            config.gamma,
            config.td_lambda,
        )

    def _optimizer(self, config: Config, num_updates: int) -> optax.GradientTransformation:
        learning_rate = self.learning_rate(config, num_updates)
        clip = optax.clip_by_global_norm(config.max_grad_norm)
        return optax.chain(clip, self.algorithm.optimizer(config, learning_rate))
