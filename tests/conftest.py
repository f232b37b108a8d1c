"""What holds for every test?"""

import hypothesis
import jax
import pytest

# An example may have to compile.
hypothesis.settings.register_profile("jaxdqn", deadline=None)
hypothesis.settings.load_profile("jaxdqn")

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture(autouse=True)
def _one_matrix_precision():
    """Full float32 on every backend: expected numbers are worked out by hand."""
    with jax.default_matmul_precision("float32"):
        yield
