"""The agents by name: network head, replay, exploration, and the hyperparameters that each one reads."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax

from jaxdqn import agents, distributions, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.config import Config
from jaxdqn.networks import ImplicitQuantile, MakeTorso, QNetwork, heads
from jaxdqn.replay import Replay

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

COMMON = frozenset(
    {"num_envs", "num_steps", "features", "gamma"}
    | {"learning_rate", "adam_epsilon", "max_grad_norm"}
)
EPSILON = frozenset({"epsilon_start", "epsilon_end", "exploration_fraction"})
REPLAY = frozenset(
    {"num_updates", "batch_size", "buffer_size", "learning_starts"}
    | {"n_step", "target_period", "tau"}
)
PRIORITIES = frozenset({"priority_alpha", "priority_beta"})
SUPPORT = frozenset({"v_min", "v_max", "num_atoms"})
DQN = COMMON | EPSILON | REPLAY


def linear_epsilon(config: Config, total_steps: int) -> optax.Schedule:
    """ε against environment steps: linear from `epsilon_start` to `epsilon_end`, then constant."""

    def epsilon(env_steps: Any) -> Any:
        progress = env_steps / jnp.maximum(config.exploration_fraction * total_steps, 1.0)
        fall = config.epsilon_start - config.epsilon_end
        return config.epsilon_start - fall * jnp.minimum(progress, 1.0)

    return epsilon


def no_epsilon(config: Config, total_steps: int) -> optax.Schedule:
    """ε of agents that explore by noise."""
    del config, total_steps
    return lambda env_steps: 0.0


def uniform(config: Config) -> Replay:
    """Uniform replay."""
    return replay.uniform(config.buffer_size, config.batch_size, config.n_step)


def prioritized(config: Config) -> Replay:
    """Prioritized replay with the exponents of `config`."""
    exponents = config.priority_alpha, config.priority_beta
    return replay.prioritized(config.buffer_size, config.batch_size, config.n_step, *exponents)


def support(config: Config) -> jax.Array:
    """The values `[Z]` of the histograms."""
    return distributions.support(config.v_min, config.v_max, config.num_atoms)


def dqn(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """Plain DQN."""
    del config
    return agents.dqn(QNetwork(torso, num_actions))


def double(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """Double DQN."""
    del config
    return agents.dqn(QNetwork(torso, num_actions), bootstrap=targets.double_q)


def dueling(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """DQN with a dueling head."""
    del config
    return agents.dqn(QNetwork(torso, num_actions, heads.dueling))


def munchausen(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """Munchausen DQN."""
    network = QNetwork(torso, num_actions)
    return agents.munchausen(network, config.temperature, config.munchausen_alpha)


def c51(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """C51."""
    network = QNetwork(torso, num_actions, num_atoms=config.num_atoms)
    return agents.c51(network, support(config))


def qr(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """QR-DQN."""
    network = QNetwork(torso, num_actions, num_atoms=config.num_quantiles)
    return agents.qr_dqn(network, config.num_quantiles, config.kappa)


def iqn(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """IQN."""
    levels = config.num_levels, config.num_levels, config.num_quantiles
    return agents.iqn(ImplicitQuantile(torso, num_actions), *levels, config.kappa)


def hl_gauss(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """HL-Gauss."""
    network = QNetwork(torso, num_actions, num_atoms=config.num_atoms)
    spacing = (config.v_max - config.v_min) / (config.num_atoms - 1)
    return agents.hl_gauss(network, support(config), config.sigma * spacing)


def noisy(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """DQN with a noisy network."""
    return agents.noisy(agents.dqn(QNetwork(torso, num_actions)), config.noise_scale)


def rainbow(torso: MakeTorso, num_actions: int, config: Config) -> Agent:
    """Rainbow."""
    network = QNetwork(torso, num_actions, heads.dueling, config.num_atoms)
    return agents.rainbow(network, support(config), config.noise_scale)


class Algorithm(NamedTuple):
    """What distinguishes one agent from another in a recipe, as functions of the hyperparameters."""

    agent: Callable[[MakeTorso, int, Config], Agent]
    """`(torso, num_actions, config) -> agent`."""
    fields: frozenset[str] = DQN
    """The fields of `Config` that are read; with a convolutional network also `channels`."""
    replay: Callable[[Config], Replay] | None = uniform
    """None for PQN, which has no replay."""
    epsilon: Callable[[Config, int], optax.Schedule] = linear_epsilon
    """`(config, total_steps) -> schedule` of the probability of a random action."""


ALGORITHMS: dict[AgentName, Algorithm] = {
    "dqn": Algorithm(dqn),
    "double": Algorithm(double),
    "dueling": Algorithm(dueling),
    "munchausen": Algorithm(munchausen, DQN | {"temperature", "munchausen_alpha"}),
    "c51": Algorithm(c51, DQN | SUPPORT),
    "qr": Algorithm(qr, DQN | {"num_quantiles", "kappa"}),
    "iqn": Algorithm(iqn, DQN | {"num_quantiles", "num_levels", "kappa"}),
    "hl-gauss": Algorithm(hl_gauss, DQN | SUPPORT | {"sigma"}),
    "noisy": Algorithm(noisy, COMMON | REPLAY | {"noise_scale"}, epsilon=no_epsilon),
    "prioritized": Algorithm(dqn, DQN | PRIORITIES, prioritized),
    "rainbow": Algorithm(
        rainbow,
        COMMON | REPLAY | PRIORITIES | SUPPORT | {"noise_scale"},
        prioritized,
        no_epsilon,
    ),
    "pqn": Algorithm(
        dqn, COMMON | EPSILON | {"num_epochs", "num_minibatches", "td_lambda"}, replay=None
    ),
}
