"""Fixtures of the tests of training."""

import jax
import pytest


@pytest.fixture(scope="module")
def allow_key_reuse():
    """Disables the check for reused keys: jax 0.10 wrongly reports keys that a mapped scan consumes."""
    with jax.debug_key_reuse(False):
        yield
