"""Steps per second of environments with random actions.

python experiments/benchmark/environments.py --envs lux Breakout-MinAtar --num-envs 16
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from experiments.benchmark.measure import in_turns, spread
from experiments.results.markdown import table
from jaxdqn import envs
from jaxdqn.config import check_at_least
from jaxdqn.envs import VectorEnv
from jaxdqn.runs import cli, platform
from jaxdqn.training import population


@dataclass(frozen=True)
class Args:
    """Measure the steps per second of environments with random actions, with observations, rewards and resets."""

    envs: tuple[str, ...] = ("CartPole-v1", "Breakout-MinAtar", "lux")
    """Names of environments, at least one."""
    num_envs: int = 16
    """Environments that step together on each core; at least 1."""
    num_steps: int = 1_000
    """Steps of each environment per measurement; at least 1."""
    repeats: int = 5
    """Measurements, of which the median is shown; at least 1."""


def stepping(env: VectorEnv, num_steps: int, devices: int) -> Callable[[], Any]:
    """A function that continues `env` on each device for `num_steps` steps in each call; the first call compiles.

    It returns the states, the last observations `[devices, N, *obs]` and the rewards `[devices, num_steps, N]`.
    """
    layout = population.layout(devices)

    def steps(key: jax.Array, state: Any) -> Any:
        def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            action_key, step_key = jax.random.split(key)
            action = jax.random.randint(action_key, (env.num_envs,), 0, env.num_actions)
            env_state, timestep = env.step(step_key, carry[0], action)
            return (env_state, timestep.obs), timestep.reward

        return jax.lax.scan(step, state, jax.random.split(key, num_steps))

    state = jax.jit(population.each(env.reset, layout))(population.keys(range(devices)))
    program = jax.jit(population.each(steps, layout), compiler_options=platform.compiler_options())
    calls = 0

    def call() -> Any:
        nonlocal state, calls
        calls += 1
        first = calls * devices
        state, reward = program(population.keys(range(first, first + devices)), state)
        return *state, reward

    return call


def main(args: Args) -> None:
    """Prints a table."""
    for name in ("num_envs", "num_steps", "repeats"):
        check_at_least(name, getattr(args, name), 1)
    check_at_least("envs", len(args.envs), 1)
    devices = platform.cores()
    platform.configure(devices)
    made = {name: envs.vectorize(envs.make(name), args.num_envs) for name in args.envs}
    calls = {name: stepping(env, args.num_steps, devices) for name, env in made.items()}
    # The first call is left out: it compiles.
    seconds = {name: s[1:] for name, s in in_turns(calls, args.repeats + 1).items()}
    num_steps = args.num_steps * args.num_envs * devices
    shown = [
        {"environment": name, "steps/s": spread([num_steps / s for s in times])}
        for name, times in seconds.items()
    ]
    cli.say(table(f"{args.num_envs} environments for each of {devices} cores", shown))


if __name__ == "__main__":
    cli.main(Args, main)
