"""The agents by name: network head, replay, exploration, and the hyperparameters that each one reads."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax

from jaxdqn import agents, distributions, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.config import Config, ConfigError
from jaxdqn.networks import ImplicitQuantile, MakeTorso, QNetwork, heads, norm_relu
from jaxdqn.replay import Replay

Torso = Callable[[Config], MakeTorso]
"""The torso with the hidden layers of a config."""

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
    "advantage",
    "persistent",
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


def uniform(config: Config, num_updates: int) -> Replay:
    """Uniform replay."""
    del num_updates
    return replay.uniform(config.buffer_size, config.batch_size, config.n_step)


def one_step(config: Config, num_updates: int) -> Replay:
    """Uniform replay of single steps."""
    return uniform(replace(config, n_step=1), num_updates)


def prioritized(config: Config, num_updates: int) -> Replay:
    """Prioritized replay; β rises from `priority_beta` to 1 at the last update."""
    beta = optax.linear_schedule(config.priority_beta, 1.0, num_updates)
    return replay.prioritized(
        config.buffer_size,
        config.batch_size,
        config.n_step,
        config.priority_alpha,
        beta,
    )


def adam(config: Config, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adam, Kingma & Ba (2015), arXiv:1412.6980."""
    return optax.adam(learning_rate, eps=config.adam_epsilon)


def radam(config: Config, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Rectified Adam, Liu et al. (2020), arXiv:1908.03265, the optimizer of PQN."""
    return optax.radam(learning_rate, eps=config.adam_epsilon)


def torso_and_width(torso: Torso, config: Config) -> tuple[MakeTorso, int]:
    """The torso without its last hidden layer, and the width of that layer, which belongs to the head.

    Raises `ConfigError` if there is none.
    """
    if not config.features:
        raise ConfigError("features", config.features, "must name a layer for the head.")
    *others, last = config.features
    return torso(replace(config, features=tuple(others))), last


def support(config: Config) -> jax.Array:
    """The values `[Z]` of the histograms."""
    return distributions.support(config.v_min, config.v_max, config.num_atoms)


def dqn(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Plain DQN."""
    return agents.dqn(QNetwork(torso(config), num_actions))


def double(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Double DQN."""
    return agents.dqn(QNetwork(torso(config), num_actions), bootstrap=targets.double_q)


def dueling(torso: Torso, num_actions: int, config: Config) -> Agent:
    """DQN with a dueling head."""
    body, width = torso_and_width(torso, config)
    return agents.dqn(QNetwork(body, num_actions, heads.dueling(width, norm_relu)))


def munchausen(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Munchausen DQN."""
    network = QNetwork(torso(config), num_actions)
    return agents.munchausen(network, config.temperature, config.munchausen_alpha)


def advantage(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Advantage learning; the target of n steps is lowered by one penalty."""
    network = QNetwork(torso(config), num_actions)
    return agents.advantage_learning(network, config.advantage_alpha)


def persistent(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Persistent advantage learning."""
    network = QNetwork(torso(config), num_actions)
    operator = targets.persistent_advantage_learning
    return agents.advantage_learning(network, config.advantage_alpha, operator)


def c51(torso: Torso, num_actions: int, config: Config) -> Agent:
    """C51."""
    network = QNetwork(torso(config), num_actions, num_atoms=config.num_atoms)
    return agents.c51(network, support(config))


def qr(torso: Torso, num_actions: int, config: Config) -> Agent:
    """QR-DQN."""
    network = QNetwork(torso(config), num_actions, num_atoms=config.num_quantiles)
    return agents.qr_dqn(network, config.num_quantiles, config.kappa)


def iqn(torso: Torso, num_actions: int, config: Config) -> Agent:
    """IQN."""
    body, width = torso_and_width(torso, config)
    network = ImplicitQuantile(body, num_actions, heads.hidden(width, norm_relu))
    levels = config.num_levels
    return agents.iqn(network, levels, levels, levels, config.kappa)


def hl_gauss(torso: Torso, num_actions: int, config: Config) -> Agent:
    """HL-Gauss."""
    network = QNetwork(torso(config), num_actions, num_atoms=config.num_atoms)
    spacing = (config.v_max - config.v_min) / (config.num_atoms - 1)
    return agents.hl_gauss(network, support(config), config.sigma * spacing)


def noisy(torso: Torso, num_actions: int, config: Config) -> Agent:
    """DQN with a noisy network."""
    body, width = torso_and_width(torso, config)
    network = QNetwork(body, num_actions, heads.hidden(width, norm_relu))
    return agents.noisy(agents.dqn(network), config.noise_scale)


def rainbow(torso: Torso, num_actions: int, config: Config) -> Agent:
    """Rainbow."""
    body, width = torso_and_width(torso, config)
    head = heads.dueling(width, norm_relu)
    network = QNetwork(body, num_actions, head, config.num_atoms)
    return agents.rainbow(network, support(config), config.noise_scale)


class Algorithm(NamedTuple):
    """What distinguishes one agent from another in a recipe, as functions of the hyperparameters."""

    agent: Callable[[Torso, int, Config], Agent]
    """`(torso, num_actions, config) -> agent`."""
    fields: frozenset[str] = DQN
    """The fields of `Config` that are read; with a convolutional network also `channels`."""
    replay: Callable[[Config, int], Replay] | None = uniform
    """`(config, num_updates) -> replay`; None for PQN, which has no replay."""
    epsilon: Callable[[Config, int], optax.Schedule] = linear_epsilon
    """`(config, total_steps) -> schedule` of the probability of a random action."""
    optimizer: Callable[[Config, optax.ScalarOrSchedule], optax.GradientTransformation] = adam
    """`(config, learning_rate) -> optimizer`, without gradient clipping."""
    defaults: Mapping[str, Any] = MappingProxyType({})
    """Fields of `Config` in which it differs from DQN, unless tuned for an environment."""


ALGORITHMS: dict[AgentName, Algorithm] = {
    "dqn": Algorithm(dqn),
    "double": Algorithm(double),
    "dueling": Algorithm(dueling),
    "munchausen": Algorithm(munchausen, DQN | {"temperature", "munchausen_alpha"}),
    "c51": Algorithm(c51, DQN | SUPPORT),
    "qr": Algorithm(qr, DQN | {"num_quantiles", "kappa"}),
    "iqn": Algorithm(iqn, DQN | {"num_levels", "kappa"}),
    "hl-gauss": Algorithm(hl_gauss, DQN | SUPPORT | {"sigma"}),
    "noisy": Algorithm(noisy, COMMON | REPLAY | {"noise_scale"}, epsilon=no_epsilon),
    "prioritized": Algorithm(dqn, DQN | PRIORITIES, prioritized),
    "rainbow": Algorithm(
        rainbow,
        COMMON | REPLAY | PRIORITIES | SUPPORT | {"noise_scale"},
        prioritized,
        no_epsilon,
        defaults={"priority_alpha": 0.5, "n_step": 3},
    ),
    "advantage": Algorithm(advantage, DQN | {"advantage_alpha"}),
    # The operator is defined for single steps only, so that `n_step` is not read.
    "persistent": Algorithm(persistent, DQN - {"n_step"} | {"advantage_alpha"}, one_step),
    "pqn": Algorithm(
        dqn,
        COMMON | EPSILON | {"num_epochs", "num_minibatches", "td_lambda"},
        replay=None,
        optimizer=radam,
        defaults={"num_steps": 32},
    ),
}
