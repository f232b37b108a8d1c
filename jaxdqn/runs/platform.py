"""Configuration of JAX before its backend starts, and detection of accelerators."""

import contextlib
import functools
import os
import subprocess
import sys
from pathlib import Path

import jax

from jaxdqn.runs.errors import RunError


def configure(cpu_devices: int = 1, compilation_cache: bool = True, threads: int = 1) -> None:
    """Configures JAX; call it before anything uses the backend.

    - `cpu_devices` devices on a CPU.
    - `threads` threads per device. For small matrices a thread pool costs more than it saves (an
      iteration of the default run takes 190 µs with one thread, 270 µs with two); a convolutional
      network is 1.6 times as fast with two.
    - Matrix products in full float32. By default a TPU rounds their inputs to bfloat16 and a
      recent GPU to tf32, which suits large networks, but not one with 64 units.
    - Numbers of 32 bits and JAX's usual promotion of dtypes, whatever the environment variables say.
    - A persistent compilation cache in the cache directory of the user, unless disabled or
      set by `JAX_COMPILATION_CACHE_DIR`.
    """
    os.environ.setdefault("NPROC", str(threads))
    with contextlib.suppress(RuntimeError):  # In a notebook the backend may run already.
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    jax.config.update("jax_default_matmul_precision", "float32")
    jax.config.update("jax_enable_x64", False)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    if compilation_cache and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        with contextlib.suppress(
            OSError, RuntimeError
        ):  # Without a writable home there is no cache.
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            (caches / "jaxdqn").mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(caches / "jaxdqn"))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def start_backend() -> None:
    """Starts the backend; raises `RunError` if `JAX_PLATFORMS` names a platform that cannot be used."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError):  # The latter for "cuda" without its plugin.
        given = os.environ.get("JAX_PLATFORMS")
        if not given:
            raise
        jax.config.update("jax_platforms", None)
        usable = ", ".join(sorted({device.platform for device in jax.devices()}))
        rule = f"must name platforms that JAX can use here, such as {usable}."
        raise RunError(f"JAX_PLATFORMS ({given}) {rule}") from None


@functools.cache
def compiler_options() -> dict[str, str | int]:
    """Options of `jax.jit`; starts the backend.

    On a CPU, LLVM's optimization level 1 instead of 3 compiles in 0.65 to 0.85 of the time, and the
    programs are as fast (those of noisy DQN and Rainbow within 0.07). XLA hands elementwise operations
    and reductions to YNNPACK, one call each, where its own loops fuse them. With matrix products only,
    an update of DQN takes 0.93 of the time, of noisy DQN 0.85, of QR-DQN 0.75. That option is tried
    first, because it is not in every version.
    """
    if jax.default_backend() != "cpu":
        return {}
    options: dict[str, str | int] = {"xla_backend_optimization_level": 1}
    ynnpack = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
    try:
        jax.jit(lambda x: x, compiler_options=ynnpack).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return options
    return options | ynnpack


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_colab() -> bool:
    """Whether this machine belongs to Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def accelerator() -> str | None:
    """The accelerator of the machine, used by JAX or not: "GPU", "TPU" or None."""
    # Colab sets the first variable everywhere, but leaves it empty without a TPU.
    names = ("COLAB_TPU_1VM", "TPU_ACCELERATOR_TYPE")
    if any(os.environ.get(name) for name in names) or any(Path("/dev").glob("accel*")):
        return "TPU"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # May be installed without a GPU; it then fails.
        subprocess.run(["nvidia-smi", "-L"], check=True, capture_output=True, timeout=30)
        return "GPU"
    return None


def unused_accelerator() -> str | None:
    """The accelerator of the machine if JAX does not use it; starts the backend.

    None if the CPU was asked for by `JAX_PLATFORMS=cpu`.
    """
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return None
    try:
        on_cpu = jax.default_backend() == "cpu"
    except RuntimeError:  # `JAX_PLATFORMS` names a platform that cannot be initialised.
        on_cpu = True
    return accelerator() if on_cpu else None


def warn_of_unused_accelerator() -> None:
    """Prints a warning with a remedy if JAX does not use the accelerator of the machine; starts the backend."""
    unused, version = unused_accelerator(), jax.__version__
    if unused is None:
        return
    if on_colab():
        remedy = (
            "The installed JAX no longer matches Colab's plugin. Choose Runtime > Disconnect and "
            "delete runtime, then install again without -U and without an extra of jax."
        )
    else:
        extra = {"GPU": "cuda", "TPU": "tpu"}[unused]
        remedy = f'Install both together: pip install "jax[{extra}]=={version}"'
    print(
        f"warning: this machine has a {unused}, but jax {version} runs on the CPU: the {unused} plugin "
        f"is missing or does not match jax {version}. {remedy}",
        file=sys.stderr,
    )
