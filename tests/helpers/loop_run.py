"""A run of the host loop on the chain: two agents, three chunks."""

import json
import os
import signal

from helpers.envs import chain
from helpers.training import TRAINER

from jaxdqn import agents, evaluation, networks, policies
from jaxdqn.runs import logs, loop
from jaxdqn.runs.plan import Plan
from jaxdqn.training import population
from jaxdqn.training.population import Population

# 30 iterations of 8 environment steps, in chunks of 10.
SHAPE = {"learning_starts": 80, "iteration_steps": 8}
AGENTS = Population([3, 4])
PLAN = Plan(AGENTS, total_steps=320, eval_interval=80, checkpoint_interval=2, **SHAPE)
POLICY = policies.greedy(agents.dqn(networks.QNetwork(networks.mlp(()), 2)).q_values)
EVAL_ENV = chain(num_envs=6, time_limit=4)


def evaluate(key, params):
    return evaluation.evaluate(key, params, EVAL_ENV, POLICY)


def train(run_dir, plan=PLAN, trainer=TRAINER, **options):
    layout = population.layout(len(plan.agents))
    return loop.train(lambda _: trainer, evaluate, plan, layout, run_dir, quiet=True, **options)


def interrupt_after(monkeypatch, chunk, signal_number=signal.SIGTERM):
    """Sends a signal to this process while it logs `chunk`."""
    write = logs.Log.write

    def write_and_interrupt(self, number, report):
        row = write(self, number, report)
        if number == chunk:
            os.kill(os.getpid(), signal_number)
        return row

    monkeypatch.setattr(logs.Log, "write", write_and_interrupt)


def rows(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def files_equal(first, second, name):
    return (first / name).read_bytes() == (second / name).read_bytes()
