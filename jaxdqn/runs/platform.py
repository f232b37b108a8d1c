"""What is JAX told before it starts?"""

import contextlib
import os
import shutil
import sys
from pathlib import Path


def configure(cpu_devices: int = 1, compilation_cache: bool = True) -> None:
    """Call before anything touches JAX' backend.

    - So many devices on a CPU: each computes on a core of its own.
    - One host thread for each: handing matrices this small to a pool costs more than it
      gains (an iteration of the default run: 190 µs on one thread, 270 on two).
    - Full float32 products: by default a TPU rounds their inputs to bfloat16 and a
      recent GPU to tf32, fine for large networks, not for one of 64 units.
    - A persistent compilation cache in the user's cache folder, unless switched off,
      or put elsewhere by `JAX_COMPILATION_CACHE_DIR`.
    """
    os.environ.setdefault("NPROC", "1")
    import jax

    with contextlib.suppress(RuntimeError):  # Too late: in a notebook JAX may run already.
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    jax.config.update("jax_default_matmul_precision", "float32")
    if compilation_cache and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        with contextlib.suppress(OSError):  # Without a home there is no cache.
            (caches / "jaxdqn").mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(caches / "jaxdqn"))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compiler_options() -> dict[str, int]:
    """For `jax.jit`, once the backend has started.

    On a CPU LLVM's first level instead of its third: 0.8 of the compile time, and programs
    as fast, since what takes their time are library calls.
    """
    import jax

    return {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else {}


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def warn_of_lost_accelerator() -> None:
    """Says so when the machine has an NVIDIA GPU that JAX does not use; starts the backend."""
    import jax

    if shutil.which("nvidia-smi") and jax.default_backend() == "cpu":
        print(
            f"warning: this machine has a GPU, but jax {jax.__version__} runs on the CPU: its CUDA "
            f"plugin is missing or not of version {jax.__version__}. Install the two together, "
            f'as in: pip install "jax[cuda]=={jax.__version__}"',
            file=sys.stderr,
        )
