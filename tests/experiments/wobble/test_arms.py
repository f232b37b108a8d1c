"""Each arm of the study differs from the base of its group in one part, compared by its behaviour."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import losses

from experiments.wobble import arms, probes, student
from experiments.wobble.default import default
from jaxdqn import envs
from jaxdqn.config import fill
from jaxdqn.training.learning import Learner
from jaxdqn.transition import Transition

STEPS = 30_000
KEY = 7
TWO = {"default-huber-small": {"env", "agent"}}
"""Arms that change two parts."""


def batch():
    rng = np.random.default_rng(0)
    return Transition(
        obs=jnp.asarray(rng.normal(size=(16, 4)), jnp.float32),
        action=jnp.arange(16) % 2,
        reward=jnp.where(jnp.arange(16) % 2 == 0, 1.0, 500.0),
        discount=jnp.where(jnp.arange(16) % 5 == 0, 0.0, 0.9),
        done=jnp.arange(16) % 5 == 0,
        next_obs=jnp.asarray(rng.normal(size=(16, 4)), jnp.float32),
    )


def of_agent(agent):
    """The loss of fixed parameters, which depends on network, scaling, bootstrap and error loss."""

    def loss(batch):
        params, target_params = (agent.init(jax.random.key(KEY + i), batch.obs) for i in (0, 1))
        larger = jax.tree.map(lambda x: 3 * x, params)
        return losses(agent, larger, target_params, batch, jax.random.key(KEY)).loss

    return np.asarray(jax.jit(loss)(batch())).tolist()


def of_env(env):
    """Sums of reward and termination over 600 balanced steps, which exceed the time limit."""

    def play(key):
        def step(carry, t):
            state, obs = carry
            action = jnp.argmax(probes.balance(None, obs), axis=-1)
            state, timestep = env.step(jax.random.fold_in(key, t), state, action)
            return (state, timestep.obs), (timestep.reward, timestep.terminated)

        return jax.lax.scan(step, env.reset(key), jnp.arange(600))[1]

    return [np.asarray(x).sum().item() for x in jax.jit(play)(jax.random.key(KEY))]


def of_replay(replay):
    example = jax.tree.map(lambda x: x[:1], batch())
    buffer = jax.eval_shape(replay.init, example)
    example = example._replace(done=jnp.array([False]), discount=jnp.array([0.9]))
    grown = [example._replace(reward=jnp.array([float(t)])) for t in range(300)]
    filled = jax.jit(
        lambda: replay.add(replay.init(example), jax.tree.map(lambda *x: jnp.stack(x), *grown))
    )()
    sample = jax.jit(replay.sample)(jax.random.key(KEY), filled)
    return buffer.words.shape, np.asarray(sample.batch.reward).tolist()


def of_optimizer(optimizer):
    """Three updates of two parameters, with a large and a small gradient."""
    params = jnp.zeros(2)
    state, found = optimizer.init(params), []
    for _ in range(3):
        updates, state = optimizer.update(jnp.array([100.0, 0.1]), state, params)
        found += np.asarray(updates).round(7).tolist()
    return found


def of_synchronise(synchronise):
    learner = Learner(jnp.ones(1), jnp.zeros(1), None, jnp.int32(0))
    started = synchronise.at_start(learner)
    after = [
        float(synchronise.after_update(jnp.ones(1), jnp.zeros(1), jnp.int32(n))[0])
        for n in (24, 25)
    ]
    return float(started.target_params[0]), after


def of_student(made):
    at = [jnp.int32(episode) for episode in (0, 50, 499)]
    return {
        "env": of_env(made.env),
        "agent": of_agent(made.agent),
        "replay": of_replay(made.replay),
        "optimizer": of_optimizer(made.optimizer(jnp.float32(1e-3))),
        "learning_rate": [float(made.learning_rate(x)) for x in at],
        "epsilon": [round(float(made.epsilon(x)), 6) for x in at],
        "draw": made.draw,
        "synchronise": of_synchronise(made.synchronise),
        "hyperparameters": (made.gamma, made.learning_starts, made.num_updates),
    }


def of_default(made):
    at = [jnp.float32(x) for x in (0, 5_000, STEPS)]
    hyperparameters = {
        name: value for name, value in vars(made.config).items() if name != "buffer_size"
    }
    num_updates = (STEPS - made.config.learning_starts) // made.config.num_envs * 2
    learning_rate = made.learning_rate(made.config, num_updates)
    epsilon = made.algorithm.epsilon(made.config, STEPS)
    return {
        "env": of_env(envs.vectorize(made.env, 1)),
        "agent": of_agent(made.agent()),
        "optimizer": of_optimizer(made.algorithm.optimizer(made.config, 1e-3)),
        "learning_rate": [round(float(learning_rate(x)), 9) for x in at],
        "epsilon": [round(float(epsilon(x)), 6) for x in at],
        # The buffer is limited to what the training fills.
        "buffer_size": fill(made.config, STEPS).buffer_size,
        "hyperparameters": hyperparameters,
    }


@pytest.fixture(scope="module")
def bases():
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield {
            "student": of_student(student.student()),
            "student_fixed": of_student(arms.student_fixed()),
            "default": of_default(default(STEPS)),
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in arms.ARMS if name not in ("student", "default")])
def test_an_arm_differs_in_one_part(bases, name):
    arm = arms.ARMS[name]
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        if arm.group == "default":
            found = of_default(arm.make(STEPS))
        else:
            found = of_student(arm.make())
    base = bases[arm.group]
    changed = {field for field in base if found[field] != base[field]}
    if name in (
        "default-epsilon",
        "default-gamma",
        "default-target",
        "default-n-step",
        "default-start",
    ):
        # A hyperparameter, and the schedules that depend on it.
        assert "hyperparameters" in changed
        own = found["hyperparameters"]
        assert sum(own[x] != base["hyperparameters"][x] for x in own) == 1
        changed -= {"epsilon", "learning_rate"}
    assert changed == TWO.get(name, changed) and len(changed) == len(TWO.get(name, (1,))), changed
