"""Trainings of other libraries and of jaxdqn, timed in a process of their own; started by `peers.py`.

    python experiments/benchmark/peer_worker.py LIBRARY SEEDS

The work is that of `--work cleanrl`: CartPole-v1, ten environments, and per step of all of them one update
of a 120-84 network with a batch of 128 from a replay buffer of 10,000 transitions. After a line `ready
COMPILE_SECONDS`, each line on the standard input continues the training; the answer is `SECONDS UPDATES`.
"""

# pyright: reportMissingImports=false

import sys
import time
from collections.abc import Callable
from typing import Any

NUM_ENVS, BATCH_SIZE, BUFFER_SIZE, FEATURES = 10, 128, 10_000, (120, 84)
GAMMA, LEARNING_RATE, TARGET_PERIOD = 0.99, 2.5e-4, 50
UPDATES = 2_000
"""Updates per seed in a timed call."""
Call = Callable[[], Any]


def jaxdqn(seeds: int) -> Call:
    """This project."""
    import jax

    from experiments.benchmark import workload
    from jaxdqn.runs import platform

    platform.configure(seeds)
    work = workload.cleanrl(buffer_size=BUFFER_SIZE)
    training = workload.Training(work, seeds)
    calls = UPDATES // workload.ITERATIONS
    return lambda: [jax.block_until_ready(training()) for _ in range(calls)]


def rejax(seeds: int) -> Call:
    """rejax' DQN by its `train_iteration`, seeds under `vmap`."""
    import jax
    from flax import linen as nn
    from rejax.algos import DQN
    from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy

    algorithm = DQN.create(
        env="CartPole-v1",
        num_envs=NUM_ENVS,
        num_epochs=1,
        batch_size=BATCH_SIZE,
        buffer_size=BUFFER_SIZE,
        fill_buffer=BATCH_SIZE,
        target_update_freq=TARGET_PERIOD * NUM_ENVS,
        learning_rate=LEARNING_RATE,
        gamma=GAMMA,
        max_grad_norm=10.0,
        ddqn=False,
    )
    agent = EpsilonGreedyPolicy(DiscreteQNetwork)(
        hidden_layer_sizes=FEATURES, action_dim=2, activation=nn.relu
    )
    algorithm = algorithm.replace(agent=agent)

    def advance(state: Any) -> Any:
        return jax.lax.fori_loop(0, UPDATES, lambda _, x: algorithm.train_iteration(x), state)

    program = jax.jit(jax.vmap(advance), donate_argnums=0)
    keys = jax.random.split(jax.random.PRNGKey(0), seeds)
    state = [jax.jit(jax.vmap(algorithm.init_state))(keys)]

    def call() -> Any:
        state[0] = jax.block_until_ready(program(state[0]))

    return call


def jaxnasium(seeds: int) -> Call:
    """jaxnasium's DQN by its `train`, seeds under `vmap`."""
    import equinox
    import jax
    import jaxnasium as jym
    from jaxnasium.algorithms import DQN
    from jaxnasium.algorithms.architectures import MLP

    algorithm = DQN(
        total_timesteps=UPDATES * NUM_ENVS,
        num_envs=NUM_ENVS,
        update_every=NUM_ENVS,
        num_updates=1,
        replay_buffer_size=BUFFER_SIZE,
        batch_size=BATCH_SIZE,
        warmup_steps=BATCH_SIZE,
        learning_rate_start=LEARNING_RATE,
        gamma=GAMMA,
        normalize_observations=False,
        log_function=None,
        critic_kwargs={"body": MLP.with_params(hidden_sizes=FEATURES)},
    )
    env = jym.make("CartPole-v1")
    train = equinox.filter_jit(jax.vmap(lambda key: algorithm.train(key, env)[1]))
    key = [jax.random.PRNGKey(0)]

    def call() -> Any:
        key[0], own = jax.random.split(key[0])
        jax.block_until_ready(train(jax.random.split(own, seeds)))

    return call


def sbx(seeds: int) -> Call:
    """SBX, the JAX version of Stable-Baselines3."""
    from sbx import DQN

    return _baselines(DQN, {"net_arch": list(FEATURES)}, seeds)


def sb3(seeds: int) -> Call:
    """Stable-Baselines3 on PyTorch."""
    from stable_baselines3 import DQN

    return _baselines(DQN, {"net_arch": list(FEATURES)}, seeds)


def _baselines(algorithm: Any, policy: dict[str, Any], seeds: int) -> Call:
    from stable_baselines3.common.env_util import make_vec_env

    if seeds > 1:
        sys.exit("trains one seed per process")
    model = algorithm(
        "MlpPolicy",
        make_vec_env("CartPole-v1", NUM_ENVS),
        learning_rate=LEARNING_RATE,
        buffer_size=BUFFER_SIZE,
        learning_starts=BATCH_SIZE,
        batch_size=BATCH_SIZE,
        gamma=GAMMA,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=TARGET_PERIOD * NUM_ENVS,
        policy_kwargs=policy,
        device="cpu",
    )
    return lambda: model.learn(UPDATES * NUM_ENVS, reset_num_timesteps=False)


LIBRARIES: dict[str, Callable[[int], Call]] = {
    "jaxdqn": jaxdqn,
    "rejax": rejax,
    "jaxnasium": jaxnasium,
    "sbx-rl": sbx,
    "stable-baselines3": sb3,
}


def main(library: str, seeds: int) -> None:
    """Answers each line with the seconds of a call and its updates."""
    start = time.perf_counter()
    call = LIBRARIES[library](seeds)
    call()
    print("ready", time.perf_counter() - start, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        call()
        print(time.perf_counter() - start, UPDATES * seeds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
