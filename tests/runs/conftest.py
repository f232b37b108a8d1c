"""Fixtures of the tests of runs."""

import jax
import pytest
from helpers.loop_run import train


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A run of `helpers.loop_run` from start to end: directory, result and parameters."""
    run_dir = tmp_path_factory.mktemp("undisturbed")
    with jax.debug_key_reuse(False):
        result, params = train(run_dir)
    return run_dir, result, params
