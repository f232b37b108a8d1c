"""Settings of JAX and Hypothesis for all tests."""

import os
import shutil
import tempfile

import hypothesis
import jax
import pytest

# Many tests compile the same program, some in a separate process; they share one cache. A folder that is already set is
# kept: a second run finds there what the first one compiled.
TEMPORARY = "JAX_COMPILATION_CACHE_DIR" not in os.environ
if TEMPORARY:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxdqn-tests-")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
# Compilation takes most of the time of the tests. These options halve it; the programs are slower, but small.
# `XLA_FLAGS= pytest` tests without them.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
)
# JAX, already imported, has read these variables before they were set.
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# The first example includes compilation, so examples have no deadline.
hypothesis.settings.register_profile("jaxdqn", deadline=None)
hypothesis.settings.load_profile("jaxdqn")

# Expected values are exact; products must have full float32 precision on every backend.
jax.config.update("jax_default_matmul_precision", "float32")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# Populations are distributed over devices; unused ones cost nothing.
jax.config.update("jax_num_cpu_devices", 8)


def pytest_unconfigure():
    if TEMPORARY:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="module")
def allow_key_reuse():
    """Disables the check for reused keys: jax 0.10 wrongly reports keys that a mapped scan consumes."""
    with jax.debug_key_reuse(False):
        yield
