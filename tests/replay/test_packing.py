"""Packing of transitions: `unpack` inverts `pack` bit for bit, for all dtypes and shapes."""

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdqn.replay import packing

DTYPES = [np.float32, np.int32, np.uint32, np.uint8, np.bool_, np.float16, np.int16]


@st.composite
def leaves(draw):
    """Arrays of arbitrary bits with leading axes `[3, 2]`."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (3, 2, *draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=5)))
    if dtype.kind == "b":
        return draw(hnp.arrays(dtype, shape))
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape)


@jax.jit
def packed_and_unpacked(tree):
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), tree)
    return packing.unpack(packing.pack(tree, 2), like)


@settings(max_examples=40)
@given(st.lists(leaves(), min_size=1, max_size=4))
def test_unpack_inverts_pack_bit_for_bit(arrays):
    tree = {str(k): jnp.asarray(array) for k, array in enumerate(arrays)}
    found = packed_and_unpacked(tree)
    assert jax.tree.map(lambda x: x.dtype, found) == jax.tree.map(lambda x: x.dtype, tree)
    for name, array in tree.items():
        assert np.asarray(found[name]).tobytes() == np.asarray(array).tobytes()


def test_leaves_are_padded_to_whole_words():
    """Five bytes take 2 words, a bool takes 1, four float32 take 4."""
    tree = (jnp.zeros((7, 5), jnp.uint8), jnp.zeros(7, bool), jnp.zeros((7, 4)))
    assert packing.pack(tree, 1).shape == (7, 2 + 1 + 4)
