"""What is JAX told before it starts?"""

import contextlib
import os
import subprocess
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


def on_colab() -> bool:
    """Whether this is a machine of Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def accelerator() -> str | None:
    """What the machine has, whether JAX finds it or not: a "GPU", a "TPU" or nothing."""
    # Colab sets the first everywhere, but leaves it empty where there is no TPU.
    names = ("COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE")
    if any(os.environ.get(name) for name in names) or any(Path("/dev").glob("accel*")):
        return "TPU"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # It may be installed where there is no GPU, and fails there.
        subprocess.run(["nvidia-smi", "-L"], check=True, capture_output=True, timeout=30)
        return "GPU"
    return None


def lost_accelerator() -> str | None:
    """The accelerator of the machine that JAX does not use; starts the backend.

    None is lost to who asks for the CPU, by `JAX_PLATFORMS=cpu`.
    """
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return None
    import jax

    try:
        lost = jax.default_backend() == "cpu"
    except RuntimeError:  # `JAX_PLATFORMS` asks for one that cannot be had.
        lost = True
    return accelerator() if lost else None


def warn_of_lost_accelerator() -> None:
    """Says so, and what helps, when the machine has an accelerator that JAX does not use; starts the backend."""
    import jax

    lost, version = lost_accelerator(), jax.__version__
    if lost is None:
        return
    if on_colab():
        remedy = (
            "Colab's own plugin no longer fits. Choose Runtime > Disconnect and delete runtime, "
            "then install again without -U and without an extra of jax."
        )
    else:
        extra = {"GPU": "cuda", "TPU": "tpu"}[lost]
        remedy = f'Install the two together, as in: pip install "jax[{extra}]=={version}"'
    print(
        f"warning: this machine has a {lost}, but jax {version} runs on the CPU: its plugin for a "
        f"{lost} is missing or not of a version that fits {version}. {remedy}",
        file=sys.stderr,
    )
