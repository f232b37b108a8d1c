"""Who is in the family, and with which network does each play CartPole?"""

from typing import Literal, get_args

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
FEATURES = (64, 64)
# Position 2.4 m and angle 0.21 rad end an episode; the speeds stay below about 2.
OBS_SCALE = (1 / 2.4, 1 / 2, 1 / 0.21, 1 / 2)
# Discounted by 0.996, a reward of 1 a step for ever is worth 250.
V_MIN, V_MAX, NUM_ATOMS = 0.0, 250.0, 51
NUM_QUANTILES = 32
CHOICES = {
    "env": ENV,
    "features": FEATURES,
    "obs_scale": OBS_SCALE,
    "support": (V_MIN, V_MAX, NUM_ATOMS),
    "num_quantiles": NUM_QUANTILES,
}
"""What a saved policy needs to be read again, beside its name."""
PRIORITIZED = ("prioritized", "rainbow")
"""Whose replay draws by the errors."""
LEARNT_WITHOUT_REPLAY = (
    *("num_steps", "num_updates", "batch_size", "capacity", "warmup_steps", "n_step"),
    *("target_period", "target_rate"),
)
"""Numbers of `Config` that PQN does not read."""
NOISY = ("noisy", "rainbow")
"""Who explores by noise in the weights, and needs no ε."""


def unread(name: str) -> tuple[str, ...]:
    """The numbers of `Config` that make no difference to the agent called `name`."""
    explored_by_noise = ("epsilon_start", "epsilon_end", "epsilon_decay_rate")
    return {"pqn": LEARNT_WITHOUT_REPLAY}.get(name, explored_by_noise if name in NOISY else ())


def make_agent(name: str, num_actions: int = 2, features=FEATURES, obs_scale=OBS_SCALE):
    """The agent called `name`: a network and what its errors are measured against."""
    from jaxdqn import agents, distributions, networks, targets

    shape = num_actions, features, obs_scale, networks.norm_relu
    support = distributions.support(V_MIN, V_MAX, NUM_ATOMS)
    bin_width = (V_MAX - V_MIN) / (NUM_ATOMS - 1)
    mlp = networks.MLP(*shape)
    histogram = networks.MLP(*shape, num_atoms=NUM_ATOMS)
    quantiles = networks.MLP(*shape, num_atoms=NUM_QUANTILES)
    dueling_histogram = networks.Dueling(*shape, num_atoms=NUM_ATOMS)
    return {
        "dqn": lambda: agents.dqn(mlp),
        "double": lambda: agents.dqn(mlp, bootstrap=targets.double_q),
        "dueling": lambda: agents.dqn(networks.Dueling(*shape)),
        "munchausen": lambda: agents.munchausen(mlp),
        "c51": lambda: agents.c51(histogram, support),
        "qr": lambda: agents.qr_dqn(quantiles, NUM_QUANTILES),
        "iqn": lambda: agents.iqn(networks.ImplicitQuantile(*shape)),
        "hl-gauss": lambda: agents.hl_gauss(histogram, support, sigma=0.75 * bin_width),
        "noisy": lambda: agents.noisy(agents.dqn(mlp)),
        "prioritized": lambda: agents.dqn(mlp),
        "rainbow": lambda: agents.rainbow(dueling_histogram, support),
        "pqn": lambda: agents.dqn(mlp),
    }[name]()
