"""What holds for every test?"""

import os
import shutil
import tempfile

# Many tests compile the same program, some in a process of their own: once is enough.
# Before JAX is imported, which reads this.
CACHE = tempfile.mkdtemp(prefix="jaxdqn-tests-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import hypothesis  # noqa: E402
import jax  # noqa: E402

# An example may have to compile.
hypothesis.settings.register_profile("jaxdqn", deadline=None)
hypothesis.settings.load_profile("jaxdqn")

# Expected numbers are worked out by hand, in full float32 on every backend.
jax.config.update("jax_default_matmul_precision", "float32")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# A population is spread over devices; those that are not asked for cost nothing.
jax.config.update("jax_num_cpu_devices", 8)


def pytest_unconfigure():
    shutil.rmtree(CACHE, ignore_errors=True)
