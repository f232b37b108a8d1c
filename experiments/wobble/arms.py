"""The arms of the study: agents that differ from the base of their group in one part.

Three groups: the student's agent with one part taken from the default agent (or from neither);
the same with the exploration draw fixed (`student_fixed`); and the default agent with one part
taken from the student's agent. `expected` was committed before the arm was run. The arms are
trained in this order, the most informative ones first.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
from optax import constant_schedule as constant

from experiments.wobble import default as default_
from experiments.wobble import parts, student
from experiments.wobble.default import default
from experiments.wobble.episodes import DRAWS, EpisodicConfig, every
from jaxdqn import agents, envs, networks, replay, targets
from jaxdqn.agents import Agent
from jaxdqn.config import Config
from jaxdqn.recipes import Recipe
from jaxdqn.recipes.classic import CARTPOLE, OBS_SCALE

Group = Literal["student", "student_fixed", "default"]
Expected = Literal["more", "fewer", "same"]


class Arm(NamedTuple):
    """One agent of the study."""

    group: Group
    changed: str
    """Description of the changed part; of the whole agent for the base of a group."""
    expected: Expected
    """Expected number of seeds solved at the end, compared with the base."""
    make: Callable[..., Any]
    """`() -> EpisodicConfig`; in the group `default`, `(steps) -> Recipe`."""
    measured: bool = False
    """Whether its networks are measured throughout training."""
    base: str = ""
    """The arm to compare with, if it is not the base of the group."""


def student_fixed() -> EpisodicConfig:
    """The student's agent with a uniform instead of a normal exploration draw."""
    return student.student(draw=DRAWS["uniform"])


def student_arm(
    name: str,
    changed: str,
    expected: Expected,
    group: Group = "student",
    base: Callable[[], EpisodicConfig] = student.student,
    **fields: Callable[[], Any],
) -> dict[str, Arm]:
    """An arm of the student's agent; the new values of its `fields` are made when it is run."""

    def make() -> EpisodicConfig:
        return base()._replace(**{field: value() for field, value in fields.items()})

    return {f"{group}-{name}": Arm(group, changed, expected, make)}


def fixed_arm(
    name: str, changed: str, expected: Expected, **fields: Callable[[], Any]
) -> dict[str, Arm]:
    """The same of the agent with the uniform draw."""
    return student_arm(name, changed, expected, "student_fixed", student_fixed, **fields)


def default_arm(
    name: str,
    changed: str,
    expected: Expected,
    change: Callable[[Recipe], Recipe] = lambda recipe: recipe,
    measured: bool = False,
    base: str = "",
    **hyperparameters: float,
) -> dict[str, Arm]:
    """An arm of the default agent: other `hyperparameters` of its `Config`, then `change`."""

    def make(steps: int) -> Recipe:
        return change(default(steps, **hyperparameters))

    return {f"default-{name}": Arm("default", changed, expected, make, measured, base)}


def with_agent(agent: Agent) -> Callable[[Recipe], Recipe]:
    """Replaces the agent of a recipe."""
    return lambda recipe: default_.with_agent(recipe, agent)


def truncating() -> envs.VectorEnv:
    """CartPole, whose time limit truncates an episode instead of terminating it."""
    return envs.vectorize(envs.gymnax(CARTPOLE), 1)


def small_rewards(recipe: Recipe) -> Recipe:
    """Multiplies the rewards of a recipe by `parts.REWARD_SCALE`."""
    return replace(recipe, env=envs.scale_reward(recipe.env, parts.REWARD_SCALE))


def three_step() -> replay.Replay:
    """The student's replay with 3-step targets."""
    return replay.uniform(student.BUFFER_SIZE, student.BATCH_SIZE, n_step=3)


ARMS: dict[str, Arm] = {
    "student": Arm("student", "the student's agent, unchanged", "same", student.student),
    "student_fixed": Arm("student", "uniform draw", "same", student_fixed, measured=True),
    "default": Arm("default", "the default agent, unchanged", "same", default, measured=True),
    **default_arm(
        "huber",
        "Huber loss, δ = 1",
        "fewer",
        with_agent(parts.default_agent(error_loss=parts.huber(1.0))),
        measured=True,
    ),
    **default_arm(
        "huber-wide",
        "Huber loss, δ = 100",
        "same",
        with_agent(parts.default_agent(error_loss=parts.huber(100.0))),
    ),
    **default_arm(
        "huber-plain",
        "Huber loss, δ = 1, no LayerNorm",
        "fewer",
        with_agent(parts.default_agent(error_loss=parts.huber(1.0), activation=jax.nn.relu)),
        base="default-huber",
    ),
    **default_arm("gamma", "γ 0.9", "fewer", gamma=0.9),
    **default_arm(
        "width",
        "hidden layers 10-10",
        "fewer",
        with_agent(parts.default_agent(student.FEATURES)),
    ),
    **default_arm("n-step", "1-step targets", "fewer", n_step=1),
    **default_arm(
        "decay",
        "no learning-rate decay",
        "same",
        lambda r: replace(r, learning_rate=lambda c, num_updates: constant(c.learning_rate)),
    ),
    **default_arm("draw", "normal draw", "same", parts.normal_draw),
    **default_arm(
        "limit",
        "time limit counts as failure",
        "same",
        lambda r: replace(r, env=student.limit_is_failure(r.env, 500)),
    ),
    **default_arm(
        "optimizer",
        "Keras' RMSprop",
        "fewer",
        lambda r: default_.with_optimizer(r, lambda config, rate: student.keras_rmsprop(rate)),
    ),
    **student_arm("gamma", "γ 0.995", "more", gamma=lambda: 0.995),
    **student_arm(
        "width", "hidden layers 64-64", "more", agent=lambda: student.make_agent(Config.features)
    ),
    **student_arm("optimizer", "Adam", "same", optimizer=lambda: parts.adam),
    **student_arm("n-step", "3-step targets", "more", replay=three_step),
    **student_arm("limit", "bootstrapping at the time limit", "same", env=truncating),
    **student_arm("decay", "learning-rate decay", "more", optimizer=lambda: parts.decaying),
    **fixed_arm("gamma", "γ 0.995", "more", gamma=lambda: 0.995),
    **fixed_arm(
        "width", "hidden layers 64-64", "more", agent=lambda: student.make_agent(Config.features)
    ),
    **fixed_arm("decay", "learning-rate decay", "more", optimizer=lambda: parts.decaying),
    **fixed_arm(
        "epsilon",
        "ε falls to 0.02 in the first fifth",
        "more",
        epsilon=lambda: parts.falling_epsilon,
    ),
    **fixed_arm("limit", "bootstrapping at the time limit", "more", env=truncating),
    **fixed_arm("n-step", "3-step targets", "more", replay=three_step),
    **default_arm(
        "huber-small",
        "Huber loss, rewards × 0.01",
        "same",
        lambda r: default_.with_agent(
            small_rewards(r), parts.default_agent(error_loss=parts.huber(1.0))
        ),
        base="default-small",
    ),
    **default_arm("small", "rewards × 0.01", "same", small_rewards),
    **default_arm("target", "target update period 200, not 8", "fewer", target_period=200),
    **default_arm("epsilon", "ε falls during all of training", "same", exploration_fraction=1.0),
    **default_arm("start", "learning starts at 104 transitions", "same", learning_starts=104),
    **default_arm("replay", "replay of 10,000", "same", buffer_size=student.BUFFER_SIZE),
    **default_arm(
        "scale",
        "no scaling of observations",
        "fewer",
        with_agent(parts.default_agent(obs_scale=1.0)),
    ),
    **default_arm("clip", "no gradient clipping", "same", max_grad_norm=1e9),
    **default_arm(
        "double",
        "Double DQN",
        "same",
        with_agent(parts.default_agent(bootstrap=targets.double_q)),
    ),
    **default_arm(
        "norm",
        "no LayerNorm",
        "fewer",
        with_agent(parts.default_agent(activation=jax.nn.relu)),
    ),
    **default_arm(
        "munchausen",
        "Munchausen DQN",
        "same",
        with_agent(parts.default_agent(agent=agents.munchausen)),
    ),
    **student_arm(
        "epsilon",
        "ε falls to 0.02 in the first fifth",
        "same",
        epsilon=lambda: parts.falling_epsilon,
    ),
    **student_arm(
        "start", "learning starts at 100 transitions", "same", learning_starts=lambda: 100
    ),
    **student_arm(
        "target", "target copied every 25 updates", "same", synchronise=lambda: every(25)
    ),
    **student_arm(
        "loss",
        "Huber loss, δ = 1",
        "fewer",
        agent=lambda: student.make_agent(error_loss=parts.huber(1.0)),
    ),
    **student_arm(
        "replay",
        "replay of 50,000",
        "same",
        replay=lambda: replay.uniform(50_000, student.BATCH_SIZE),
    ),
    **student_arm(
        "scale",
        "observations scaled",
        "more",
        agent=lambda: student.make_agent(obs_scale=OBS_SCALE),
    ),
    **student_arm("clip", "gradient clipping", "same", optimizer=lambda: parts.clipped),
    **student_arm(
        "double",
        "Double DQN",
        "same",
        agent=lambda: student.make_agent(bootstrap=targets.double_q),
    ),
    **student_arm(
        "norm",
        "LayerNorm",
        "more",
        agent=lambda: student.make_agent(activation=networks.norm_relu),
    ),
    **student_arm("munchausen", "Munchausen DQN", "same", agent=parts.student_munchausen),
}
"""By name."""

LONG: dict[str, Callable[[], EpisodicConfig]] = {
    "student": student.student,
    "student-start": lambda: student.student(learning_starts=100),
    "failing": student.failing,
}
"""The agents of the long trainings: the student's; the same with learning from 100 transitions on;
the student's first version, which in addition has episodes of up to 2,000 steps."""
