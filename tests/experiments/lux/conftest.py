import contextlib

import pytest

from experiments.lux import engine
from jaxdqn.runs.errors import RunError


@pytest.fixture(scope="module")
def lux():
    """The official engine; tests are skipped where it cannot run."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(engine.run())
            running.start(0, 12)
        except RunError as error:
            pytest.skip(str(error))
        yield running
