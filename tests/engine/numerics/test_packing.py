"""Packed codes against ONNX's own reader and writer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from engine.numerics.packing import BLOCK_BYTES, pack, pack_unsigned, unpack
from engine.numerics.schemes import packed_bytes

DTYPES = {4: (TensorProto.INT4, TensorProto.UINT4), 2: (TensorProto.INT2, TensorProto.UINT2)}


def bounds(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


@pytest.mark.parametrize("bits", [4, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 65])
def test_that_packed_bytes_are_those_of_onnx(bits: int, count: int) -> None:
    low, high = bounds(bits)
    codes = np.random.default_rng(count).integers(low, high, count, dtype=np.int8, endpoint=True)
    expected = helper.make_tensor("t", DTYPES[bits][0], [count], codes)
    assert pack(codes, bits).tobytes() == numpy_helper.from_array(numpy_helper.to_array(expected)).raw_data
    raw = helper.make_tensor("t", DTYPES[bits][0], [count], pack(codes, bits).tobytes(), raw=True)
    assert numpy_helper.to_array(raw).astype(np.int8).tolist() == codes.tolist()


@pytest.mark.parametrize("bits", [4, 2])
def test_that_unsigned_codes_pack_as_onnx_unsigned_types(bits: int) -> None:
    codes = np.arange(1 << bits, dtype=np.int8).repeat(3)
    raw = helper.make_tensor("t", DTYPES[bits][1], [codes.size], pack(codes, bits).tobytes(), raw=True)
    assert numpy_helper.to_array(raw).astype(np.uint8).tolist() == codes.tolist()


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_that_signed_codes_pack_as_unsigned_ones_half_the_range_higher(bits: int) -> None:
    low, high = bounds(bits)
    codes = np.arange(low, high + 1).astype(np.int8)
    before = codes.copy()
    assert np.array_equal(pack_unsigned(codes, bits), pack((codes.astype(np.int16) - low).astype(np.int8), bits))
    assert np.array_equal(codes, before)


@pytest.mark.parametrize("bits", [4, 2])
def test_that_packing_in_blocks_leaves_no_seam(bits: int) -> None:
    low, high = bounds(bits)
    count = 2 * BLOCK_BYTES * (8 // bits) + 3
    codes = np.random.default_rng(0).integers(low, high, count, dtype=np.int8, endpoint=True)
    assert np.array_equal(unpack(pack(codes, bits), bits, count), codes)


def test_that_the_first_code_takes_the_low_bits_and_padding_is_zero() -> None:
    assert pack(np.array([1, -8, -1], np.int8), 4).tolist() == [0x81, 0x0F]
    assert pack(np.array([1, -2, -1, 0, -2], np.int8), 2).tolist() == [0b00_11_10_01, 0b10]


@given(
    bits=st.sampled_from([8, 4, 2]),
    data=st.data(),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9),
)
def test_that_unpack_undoes_pack(bits: int, data: st.DataObject, shape: tuple[int, ...]) -> None:
    low, high = bounds(bits)
    codes = data.draw(hnp.arrays(np.int8, shape, elements=st.integers(low, high)))
    packed = pack(codes, bits)
    assert packed.size == packed_bytes(codes.size, bits)
    assert np.array_equal(unpack(packed, bits, codes.size).reshape(shape), codes)


def test_that_codes_pack_in_c_order_whatever_their_memory_order() -> None:
    codes = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    assert pack(np.asfortranarray(codes), 4).tobytes() == pack(codes, 4).tobytes()
    assert pack(codes.T, 4).tobytes() == pack(np.ascontiguousarray(codes.T), 4).tobytes()
