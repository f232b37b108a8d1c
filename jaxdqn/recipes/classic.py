"""CartPole-v1: the agents by name, their networks, optimizer and exploration schedule."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax.numpy as jnp
import optax

from jaxdqn import agents, distributions, envs, evaluation, networks, policies, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.config import Config, ConfigError, fill, num_iterations
from jaxdqn.training import dqn, pqn, sharding
from jaxdqn.training.session import Evaluate
from jaxdqn.training.trainer import Trainer

AgentName = Literal[
    "dqn",
    "double",
    "dueling",
    "munchausen",
    "c51",
    "qr",
    "iqn",
    "hl-gauss",
    "noisy",
    "prioritized",
    "rainbow",
    "pqn",
]
AGENTS = get_args(AgentName)
ENV = "CartPole-v1"
SOLVED = 475.0
"""Mean evaluation return from which CartPole-v1 counts as solved, by Gymnasium's registry."""
FEATURES = (64, 64)
# An episode ends at position 2.4 m or angle 0.21 rad; velocities stay below about 2 m/s and 2 rad/s.
OBS_SCALE = (1 / 2.4, 1 / 2, 1 / 0.21, 1 / 2)
# With the default discount 0.996, a reward of 1 per step is worth at most 250; larger returns are clipped.
V_MIN, V_MAX, NUM_ATOMS = 0.0, 250.0, 51
NUM_QUANTILES = 32
PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES = 32, 4, 8
CONSTANTS = {
    "env": ENV,
    "features": FEATURES,
    "obs_scale": OBS_SCALE,
    "support": (V_MIN, V_MAX, NUM_ATOMS),
    "num_quantiles": NUM_QUANTILES,
    "pqn": (PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES),
}
"""What `config.json` holds beside the options, so that a saved policy can be loaded again."""
PRIORITIZED = ("prioritized", "rainbow")
"""Agents that use prioritized replay."""
NOISY = ("noisy", "rainbow")
"""Agents that explore by parameter noise, with ε = 0."""


def unused_hyperparameters(name: AgentName) -> tuple[str, ...]:
    """The fields of `Config` that have no effect on training the agent `name`; they must be valid all the same."""
    if name == "pqn":
        replay_fields = ("num_steps", "num_updates", "batch_size", "buffer_size")
        return *replay_fields, "learning_starts", "n_step", "target_period", "tau"
    return ("epsilon_start", "epsilon_end", "exploration_fraction") if name in NOISY else ()


def make_agent(
    name: AgentName,
    num_actions: int = 2,
    features: Sequence[int] = FEATURES,
    obs_scale: float | Sequence[float] = OBS_SCALE,
) -> Agent:
    """The agent `name` with its network. Raises `KeyError` for another name."""
    shape = num_actions, features, obs_scale, networks.norm_relu
    support = distributions.support(V_MIN, V_MAX, NUM_ATOMS)
    bin_width = (V_MAX - V_MIN) / (NUM_ATOMS - 1)
    mlp = networks.MLP(*shape)
    categorical = networks.MLP(*shape, num_atoms=NUM_ATOMS)
    quantiles = networks.MLP(*shape, num_atoms=NUM_QUANTILES)
    dueling_categorical = networks.Dueling(*shape, num_atoms=NUM_ATOMS)
    return {
        "dqn": lambda: agents.dqn(mlp),
        "double": lambda: agents.dqn(mlp, bootstrap=targets.double_q),
        "dueling": lambda: agents.dqn(networks.Dueling(*shape)),
        "munchausen": lambda: agents.munchausen(mlp),
        "c51": lambda: agents.c51(categorical, support),
        "qr": lambda: agents.qr_dqn(quantiles, NUM_QUANTILES),
        "iqn": lambda: agents.iqn(networks.ImplicitQuantile(*shape)),
        "hl-gauss": lambda: agents.hl_gauss(categorical, support, sigma=0.75 * bin_width),
        "noisy": lambda: agents.noisy(agents.dqn(mlp)),
        "prioritized": lambda: agents.dqn(mlp),
        "rainbow": lambda: agents.rainbow(dueling_categorical, support),
        "pqn": lambda: agents.dqn(mlp),
    }[name]()


def linear_epsilon(config: Config, total_steps: int) -> optax.Schedule:
    """ε against environment steps: linear from `epsilon_start` to `epsilon_end`, then constant."""

    def epsilon(env_steps: Any) -> Any:
        progress = env_steps / jnp.maximum(config.exploration_fraction * total_steps, 1.0)
        fall = config.epsilon_start - config.epsilon_end
        return config.epsilon_start - fall * jnp.minimum(progress, 1.0)

    return epsilon


def make_trainer(
    name: AgentName, config: Config, agent: Agent, total_steps: int, data_shards: int = 1
) -> Trainer:
    """Training of `agent` on CartPole for `total_steps` environment steps.

    `name` decides between uniform and prioritized replay and PQN, and whether ε is 0. The
    learning rate falls linearly to 0 over the training. Raises `ConfigError` if the config
    does not fit `data_shards`.
    """

    def optimizer(num_updates: int) -> optax.GradientTransformation:
        learning_rate = optax.linear_schedule(config.learning_rate, 0.0, num_updates)
        return optax.chain(
            sharding.mean_gradients() if data_shards > 1 else optax.identity(),
            optax.clip_by_global_norm(config.max_grad_norm),
            optax.adam(learning_rate, eps=config.adam_epsilon),
        )

    schedule = linear_epsilon(config, total_steps)

    def epsilon(env_steps: Any) -> Any:
        return schedule(data_shards * env_steps)

    shard = sharding.shard(fill(config, total_steps), data_shards)
    env = envs.from_gymnax(ENV, shard.num_envs)
    if name == "pqn":
        if data_shards > 1:
            rule = "must be 1 for pqn, which has no replay to divide."
            raise ConfigError("data_shards", data_shards, rule)
        num_updates = total_steps // (PQN_STEPS * env.num_envs) * PQN_EPOCHS * PQN_MINIBATCHES
        shape = PQN_STEPS, PQN_EPOCHS, PQN_MINIBATCHES
        return pqn(env, agent, optimizer(num_updates), epsilon, *shape, config.gamma)
    make_replay = replay.prioritized if name in PRIORITIZED else replay.uniform
    trainer = dqn(
        shard,
        env,
        agent,
        make_replay(shard.buffer_size, shard.batch_size, shard.n_step),
        optimizer(num_iterations(config, total_steps) * config.num_updates),
        (lambda env_steps: 0.0) if name in NOISY else epsilon,
    )
    return sharding.combine(trainer, data_shards) if data_shards > 1 else trainer


def make_evaluate(agent: Agent, num_episodes: int) -> Evaluate:
    """`(key, params) -> returns [num_episodes]` of the greedy policy, one episode in each environment."""
    env, policy = envs.from_gymnax(ENV, num_episodes), policies.greedy(agent.q_values)
    return lambda key, params: evaluation.evaluate(key, params, env, policy)
