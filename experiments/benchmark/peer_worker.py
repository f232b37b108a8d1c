"""Trainings of other libraries and of jaxdqn, timed in a process of their own; started by `peers.py`.

    python experiments/benchmark/peer_worker.py LIBRARY WORK SEEDS

After a line `ready COMPILE_SECONDS`, each line on the standard input continues the training; the
answer is `SECONDS UPDATES`. A library that cannot do the work exits with the reason.
"""

# pyright: reportMissingImports=false

import sys
import time
from collections.abc import Callable
from typing import Any, cast

from experiments.benchmark.peer_works import WORKS, Work, WorkName

GAMMA, LEARNING_RATE, TARGET_PERIOD = 0.99, 2.5e-4, 50
Call = Callable[[], Any]


def repeat(program: Callable[[Any], Any], state: Any) -> Call:
    """A call that continues from the state of the last one."""
    import jax

    held = [state]

    def call() -> None:
        held[0] = jax.block_until_ready(program(held[0]))

    return call


def jaxdqn(work: Work, seeds: int) -> Call:
    """This project: the agents share the cores."""
    import dataclasses

    import jax
    import optax

    from jaxdqn import networks, recipes, training
    from jaxdqn.runs import platform
    from jaxdqn.training import population

    devices = population.num_devices(seeds, platform.cores())
    platform.configure(devices, threads=platform.cores() // devices if work.channels else 1)
    recipe = recipes.find(work.env, "pqn" if work.num_epochs else "dqn")
    config = dataclasses.replace(
        recipe.config,
        num_envs=work.num_envs,
        num_steps=work.num_steps,
        num_updates=work.num_updates,
        batch_size=work.batch_size,
        buffer_size=work.buffer_size,
        learning_starts=work.buffer_size,
        n_step=1,
        gamma=GAMMA,
        learning_rate=LEARNING_RATE,
        target_period=TARGET_PERIOD * work.num_updates,
        tau=1.0,
        num_epochs=work.num_epochs or recipe.config.num_epochs,
        num_minibatches=work.num_updates // (work.num_epochs or 1),
    )

    def torso(*_: Any) -> networks.MakeTorso:
        conv, mlp = networks.conv(work.channels, work.features), networks.mlp(work.features)
        return conv if work.channels else mlp

    def constant(*_: Any) -> optax.Schedule:
        return optax.constant_schedule(LEARNING_RATE)

    recipe = dataclasses.replace(recipe, torso=torso, config=config, learning_rate=constant)
    trainer, layout = recipe.trainer(), population.layout(seeds)
    options = platform.compiler_options()
    init = jax.jit(population.each(trainer.init, layout), compiler_options=options)

    def advance(state: Any) -> Any:
        return training.run(trainer, state, work.iterations)[0]

    program = jax.jit(population.each(advance, layout), donate_argnums=0, compiler_options=options)
    return repeat(program, init(population.keys(range(seeds))))


def rejax(work: Work, seeds: int) -> Call:
    """rejax' DQN or PQN by its `train_iteration`, seeds under `vmap`."""
    import jax
    from flax import linen as nn
    from rejax.algos import DQN, PQN
    from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy

    class Network(DiscreteQNetwork):
        @nn.compact
        def __call__(self, obs: Any) -> Any:
            for width in work.channels:
                obs = nn.relu(nn.Conv(width, (3, 3), padding="VALID")(obs))
            return super().__call__(obs)

    common = {
        "env": work.env,
        "num_envs": work.num_envs,
        "learning_rate": LEARNING_RATE,
        "gamma": GAMMA,
        "max_grad_norm": 10.0,
    }
    if work.num_epochs:
        algorithm = PQN.create(
            num_steps=work.num_steps,
            num_epochs=work.num_epochs,
            num_minibatches=work.num_updates // work.num_epochs,
            **common,
        )
    else:
        algorithm = DQN.create(
            num_epochs=work.num_updates,
            batch_size=work.batch_size,
            buffer_size=work.buffer_size,
            fill_buffer=work.batch_size,
            target_update_freq=TARGET_PERIOD * work.num_envs,
            ddqn=False,
            **common,
        )
    num_actions = algorithm.action_space.n
    agent = EpsilonGreedyPolicy(Network)(
        hidden_layer_sizes=work.features, action_dim=num_actions, activation=nn.relu
    )
    algorithm = algorithm.replace(agent=agent)

    def advance(state: Any) -> Any:
        return jax.lax.fori_loop(
            0, work.iterations, lambda _, x: algorithm.train_iteration(x), state
        )

    program = jax.jit(jax.vmap(advance), donate_argnums=0)
    keys = jax.random.split(jax.random.PRNGKey(0), seeds)
    return repeat(program, jax.jit(jax.vmap(algorithm.init_state))(keys))


def jaxnasium(work: Work, seeds: int) -> Call:
    """jaxnasium's DQN or PQN by its `train`, seeds under `vmap`."""
    import equinox
    import jax
    import jaxnasium as jym
    from jaxnasium.algorithms import DQN, PQN
    from jaxnasium.algorithms.architectures import CNN, MLP

    layers = len(work.channels)
    conv = CNN.with_params(
        out_channels=work.channels,
        kernel_sizes=(3,) * layers,
        strides=(1,) * layers,
        padding=(0,) * layers,
        channels_axis="last",
    )
    common = {
        "total_timesteps": work.iterations * work.num_envs * work.num_steps,
        "num_envs": work.num_envs,
        "learning_rate_start": LEARNING_RATE,
        "gamma": GAMMA,
        "normalize_observations": False,
        "log_function": None,
        "critic_kwargs": {
            "body": MLP.with_params(hidden_sizes=work.features),
            "obs_architecture_2d": conv,
        },
    }
    if work.num_epochs:
        algorithm = PQN(
            num_steps=work.num_steps,
            num_epochs=work.num_epochs,
            num_minibatches=work.num_updates // work.num_epochs,
            warmup_steps=0,
            normalize_rewards=False,
            **common,
        )
    else:
        algorithm = DQN(
            update_every=work.num_envs,
            num_updates=work.num_updates,
            replay_buffer_size=work.buffer_size,
            batch_size=work.batch_size,
            warmup_steps=work.batch_size,
            **common,
        )
    env = jym.make(work.env)
    train = equinox.filter_jit(jax.vmap(lambda key: algorithm.train(key, env)[1]))
    key = [jax.random.PRNGKey(0)]

    def call() -> None:
        key[0], own = jax.random.split(key[0])
        jax.block_until_ready(train(jax.random.split(own, seeds)))

    return call


def sbx(work: Work, seeds: int) -> Call:
    """SBX, the JAX version of Stable-Baselines3."""
    from sbx import DQN

    return _baselines(DQN, work, seeds)


def sb3(work: Work, seeds: int) -> Call:
    """Stable-Baselines3 on PyTorch."""
    from stable_baselines3 import DQN

    return _baselines(DQN, work, seeds)


def _baselines(algorithm: Any, work: Work, seeds: int) -> Call:
    from stable_baselines3.common.env_util import make_vec_env

    if work.num_epochs:
        sys.exit("has no PQN")
    if work.channels:
        sys.exit("has no MinAtar")
    if seeds > 1:
        sys.exit("trains one seed per process")
    model = algorithm(
        "MlpPolicy",
        make_vec_env(work.env, work.num_envs),
        learning_rate=LEARNING_RATE,
        buffer_size=work.buffer_size,
        learning_starts=work.batch_size,
        batch_size=work.batch_size,
        gamma=GAMMA,
        train_freq=1,
        gradient_steps=work.num_updates,
        target_update_interval=TARGET_PERIOD * work.num_envs,
        policy_kwargs={"net_arch": list(work.features)},
        device="cpu",
    )
    steps = work.iterations * work.num_envs
    return lambda: model.learn(steps, reset_num_timesteps=False)


LIBRARIES: dict[str, Callable[[Work, int], Call]] = {
    "jaxdqn": jaxdqn,
    "rejax": rejax,
    "jaxnasium": jaxnasium,
    "sbx-rl": sbx,
    "stable-baselines3": sb3,
}


def main(library: str, work: Work, seeds: int) -> None:
    """Answers each line with the seconds of a call and its updates."""
    start = time.perf_counter()
    call = LIBRARIES[library](work, seeds)
    call()
    print("ready", time.perf_counter() - start, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        call()
        print(time.perf_counter() - start, work.iterations * work.num_updates * seeds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], WORKS[cast(WorkName, sys.argv[2])], int(sys.argv[3]))
