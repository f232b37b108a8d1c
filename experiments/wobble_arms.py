"""Which one thing is different in each arm of the study, and what did we expect of it?

Three families: the student's agent with one of his choices replaced by ours (or by one that neither
made); the same once his draw is repaired; our default with one of its choices replaced by his.
`expected` was committed before the arm was run. The order is that of the runs: what tells most first.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import optax

from experiments import wobble_parts as parts
from experiments.blog_agent import ENV, blog, failing, keras_rmsprop, limit_is_failure, make_agent
from experiments.default_recipe import Recipe, default
from experiments.episodes import DRAWS, Choices, every
from experiments.members import FEATURES
from jaxdqn import agents, envs, networks, replay, targets
from jaxdqn.agents import Agent

Family = Literal["student", "repaired", "default"]
Expected = Literal["more", "fewer", "same"]


class Arm(NamedTuple):
    """One agent of the study."""

    family: Family
    changed: str
    """In words; the base of a family has changed nothing."""
    expected: Expected
    """Seeds solved at the end, compared with the family's base."""
    make: Callable[..., Any]
    """`() -> Choices`, or for the family `default` `(steps) -> Recipe`."""
    looked: bool = False
    """Whether its networks are looked into all through training."""
    base: str = ""
    """The arm that it is compared with, where that is not the family's."""


def student(**changed: Any) -> Choices:
    """His agent with other fields."""
    return blog()._replace(**changed)


def repaired(**changed: Any) -> Choices:
    """His agent with the uniform draw that was meant, and other fields."""
    return blog(draw=DRAWS["uniform"])._replace(**changed)


def his(name: str, changed: str, expected: Expected, **fields: Callable[[], Any]) -> dict[str, Arm]:
    """An arm of the student's agent, in which `fields` are made only when it is run."""

    def make() -> Choices:
        return student(**{field: value() for field, value in fields.items()})

    return {f"student-{name}": Arm("student", changed, expected, make)}


def mended(
    name: str, changed: str, expected: Expected, **fields: Callable[[], Any]
) -> dict[str, Arm]:
    """The same of the agent whose draw is repaired."""

    def make() -> Choices:
        return repaired(**{field: value() for field, value in fields.items()})

    return {f"repaired-{name}": Arm("repaired", changed, expected, make)}


def ours(
    name: str,
    changed: str,
    expected: Expected,
    change: Callable[[Recipe], Recipe] = lambda recipe: recipe,
    looked: bool = False,
    base: str = "",
    **numbers: float,
) -> dict[str, Arm]:
    """An arm of our default: other `numbers` of its `Config`, then `change`."""

    def make(steps: int) -> Recipe:
        return change(default(steps, **numbers))

    return {f"default-{name}": Arm("default", changed, expected, make, looked, base)}


def with_agent(agent: Agent) -> Callable[[Recipe], Recipe]:
    """Another agent in a recipe."""
    return lambda recipe: recipe._replace(agent=agent)


ARMS: dict[str, Arm] = {
    "student": Arm("student", "nothing: the student's agent", "same", student),
    "repaired": Arm("student", "the uniform draw", "same", repaired, looked=True),
    "default": Arm("default", "nothing: our default", "same", default, looked=True),
    **ours(
        "huber",
        "Huber loss, δ = 1",
        "fewer",
        with_agent(parts.on(error_loss=parts.huber(1.0))),
        looked=True,
    ),
    **ours(
        "huber-wide",
        "Huber loss, δ = 100",
        "same",
        with_agent(parts.on(error_loss=parts.huber(100.0))),
    ),
    **ours(
        "huber-plain",
        "Huber loss, δ = 1, no LayerNorm",
        "fewer",
        with_agent(parts.on(error_loss=parts.huber(1.0), activation=jax.nn.relu)),
        base="default-huber",
    ),
    **ours("gamma", "γ 0.9", "fewer", gamma=0.9),
    **ours("width", "width 10-10", "fewer", with_agent(parts.on(parts.HIS_WIDTH))),
    **ours("n-step", "n-step 1", "fewer", n_step=1),
    **ours(
        "decay",
        "no learning-rate decay",
        "same",
        lambda r: r._replace(learning_rate=optax.constant_schedule(r.config.learning_rate)),
    ),
    **ours("draw", "the normal draw", "same", parts.normal_draw),
    **ours(
        "limit", "time limit a failure", "same", lambda r: r._replace(env=limit_is_failure(r.env))
    ),
    **ours("optimizer", "Keras' RMSprop", "fewer", lambda r: r._replace(optimizer=keras_rmsprop)),
    **his("gamma", "γ 0.995", "more", gamma=lambda: 0.995),
    **his("width", "width 64-64", "more", agent=lambda: make_agent(FEATURES)),
    **his("optimizer", "Adam", "same", optimizer=lambda: parts.adam),
    **his("n-step", "n-step 3", "more", memory=lambda: replay.uniform(parts.HIS_REPLAY, 100, 3)),
    **his("limit", "time limit bootstraps", "same", env=lambda: envs.from_gymnax(ENV, 1)),
    **his("decay", "learning-rate decay", "more", optimizer=lambda: parts.decaying),
    **mended("gamma", "γ 0.995", "more", gamma=lambda: 0.995),
    **mended("width", "width 64-64", "more", agent=lambda: make_agent(FEATURES)),
    **mended("decay", "learning-rate decay", "more", optimizer=lambda: parts.decaying),
    **mended(
        "epsilon", "ε falls to 0.02 in a fifth", "more", epsilon=lambda: parts.falling_epsilon
    ),
    **mended("limit", "time limit bootstraps", "more", env=lambda: envs.from_gymnax(ENV, 1)),
    **mended("n-step", "n-step 3", "more", memory=lambda: replay.uniform(parts.HIS_REPLAY, 100, 3)),
    **ours(
        "huber-small",
        "Huber, rewards × 0.01",
        "same",
        lambda r: r._replace(
            env=parts.small_rewards(r.env), agent=parts.on(error_loss=parts.huber(1.0))
        ),
        base="default-small",
    ),
    **ours("small", "rewards × 0.01", "same", lambda r: r._replace(env=parts.small_rewards(r.env))),
    **ours("target", "target moved every 200 updates, not 8", "fewer", target_period=200),
    **ours("epsilon", "ε falls over all of training", "same", epsilon_decay_rate=1.0),
    **ours("start", "training from 104 transitions on", "same", warmup_steps=104),
    **ours("replay", "replay of 10,000", "same", capacity=parts.HIS_REPLAY),
    **ours(
        "scale",
        "no scaling of observations",
        "fewer",
        with_agent(parts.on(obs_scale=1.0)),
    ),
    **ours("clip", "no gradient clipping", "same", max_grad_norm=1e9),
    **ours("double", "Double", "same", with_agent(parts.on(bootstrap=targets.double_q))),
    **ours("norm", "no LayerNorm", "fewer", with_agent(parts.on(activation=jax.nn.relu))),
    **ours(
        "munchausen",
        "Munchausen",
        "same",
        with_agent(parts.on(agent=agents.munchausen)),
    ),
    **his("epsilon", "ε falls to 0.02 in a fifth", "same", epsilon=lambda: parts.falling_epsilon),
    **his("start", "training from 100 transitions on", "same", learning_starts=lambda: 100),
    **his("target", "target copied every 25 updates", "same", synchronise=lambda: every(25)),
    **his(
        "loss", "Huber loss, δ = 1", "fewer", agent=lambda: make_agent(error_loss=parts.huber(1.0))
    ),
    **his("replay", "replay of 50,000", "same", memory=lambda: replay.uniform(50_000, 100)),
    **his(
        "scale", "observations scaled", "more", agent=lambda: make_agent(obs_scale=parts.OBS_SCALE)
    ),
    **his("clip", "gradient clipping", "same", optimizer=lambda: parts.clipped),
    **his("double", "Double", "same", agent=lambda: make_agent(bootstrap=targets.double_q)),
    **his("norm", "LayerNorm", "more", agent=lambda: make_agent(activation=networks.norm_relu)),
    **his("munchausen", "Munchausen", "same", agent=parts.his_munchausen),
}
"""By name."""

LONG: dict[str, Callable[[], Choices]] = {
    "student": student,
    "student-start": lambda: student(learning_starts=100),
    "failing": failing,
}
"""What is trained for very long: his agent; the same from 100 transitions on; his first version,
which had episodes of up to 2,000 steps besides."""
