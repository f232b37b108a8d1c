"""How does a policy act where jaxdqn is not?"""

from pathlib import Path

import jax
from jax import export

from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.runs.directory import write_bytes

PLATFORMS = "cpu", "cuda", "tpu"


def stablehlo(path: Path, policy: Policy, params: Params, obs: jax.ShapeDtypeStruct) -> None:
    """Writes `obs [batch, *obs] -> action [batch]` for any batch, as `jax.export` reads it, to `path`.

    The parameters are within. `policy` must use no key, as a greedy one; `obs` has
    the shape and type of a batch of any size.
    """
    (batch,) = export.symbolic_shape("batch")
    act = jax.jit(lambda obs: policy(jax.random.key(0), params, obs))
    program = export.export(act, platforms=PLATFORMS)
    exported = program(jax.ShapeDtypeStruct((batch, *obs.shape[1:]), obs.dtype))
    write_bytes(path, bytes(exported.serialize()))
