"""Plans: chunks of a run, and invalid intervals."""

import dataclasses

import pytest
from helpers.loop_run import (
    PLAN,
    SHAPE,
)

from jaxdqn.config import ConfigError
from jaxdqn.runs.plan import Plan
from jaxdqn.training.population import Population


def test_a_plan_divides_its_iterations_into_chunks():
    plan = Plan(Population([0]), total_steps=300, eval_interval=80, checkpoint_interval=2, **SHAPE)
    # (300 - 80) / 8 = 27 whole iterations: 10, 10 and 7.
    assert (plan.num_iterations, plan.num_chunks) == (27, 3)
    assert [plan.length(chunk) for chunk in (1, 2, 3)] == [10, 10, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eval_interval": 7}, r"eval_interval \(7\) must be at least one iteration.*\(8\)"),
        ({"checkpoint_interval": 0}, r"checkpoint_interval \(0\) must be at least 1"),
    ],
)
def test_an_invalid_plan_is_rejected(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(PLAN, **change).check()
