"""Export of a policy as a StableHLO program, which needs only JAX to run."""

from pathlib import Path

import jax
from jax import export

from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.runs.directory import write_bytes

PLATFORMS = "cpu", "cuda", "tpu"


def stablehlo(path: Path, policy: Policy, params: Params, obs: jax.ShapeDtypeStruct) -> None:
    """Writes the program `obs [batch, *obs] -> action [batch]`, for any batch size, to `path`.

    The file has the format of `jax.export` and includes the parameters. `policy` must not
    depend on its key, like a greedy one; `obs` gives shape and dtype of a batch of any size.
    """
    (batch,) = export.symbolic_shape("batch")
    act = jax.jit(lambda obs: policy(jax.random.key(0), params, obs))
    program = export.export(act, platforms=PLATFORMS)
    exported = program(jax.ShapeDtypeStruct((batch, *obs.shape[1:]), obs.dtype))
    write_bytes(path, bytes(exported.serialize()))
