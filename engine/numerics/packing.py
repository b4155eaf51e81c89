"""2- and 4-bit integers in ONNX's layout: low bits first, rows run on, the last byte padded with zero.

Source: ONNX TensorProto, `raw_data` of INT4/UINT4 (IR 10) and INT2/UINT2 (IR 13).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.numerics.schemes import packed_bytes

# Packed bytes made at a time, so that their temporaries stay in the cache.
BLOCK_BYTES = 1 << 16


def pack(codes: npt.NDArray[np.int8], bits: int) -> npt.NDArray[np.uint8]:
    """Pack signed or unsigned codes of 2, 4 or 8 bits into bytes, in C order.

    Args:
        codes: any shape; values must fit in `bits`.

    Returns:
        uint8 [packed_bytes(codes.size, bits)].
    """
    flat = np.ascontiguousarray(codes).reshape(-1).view(np.uint8)
    per_byte = 8 // bits
    if per_byte == 1:
        return flat
    packed = np.empty(packed_bytes(flat.size, bits), np.uint8)
    whole = flat.size // per_byte
    for start in range(0, whole, BLOCK_BYTES):
        stop = min(start + BLOCK_BYTES, whole)
        _pack_words(flat[start * per_byte : stop * per_byte].view(f"<u{per_byte}"), bits, packed[start:stop])
    if whole < packed.size:
        last = np.zeros(per_byte, np.uint8)
        last[: flat.size - whole * per_byte] = flat[whole * per_byte :]
        _pack_words(last.view(f"<u{per_byte}"), bits, packed[whole:])
    return packed


def pack_unsigned(codes: npt.NDArray[np.int8], bits: int) -> npt.NDArray[np.uint8]:
    """Pack signed codes as the unsigned codes that are 2^(bits − 1) higher: the top bit of each turned over."""
    top_bits = sum(1 << (lane * bits + bits - 1) for lane in range(8 // bits))
    packed = pack(codes, bits)
    return np.bitwise_xor(packed, np.uint8(top_bits), out=None if bits == 8 else packed)


def _pack_words(words: npt.NDArray[np.unsignedinteger], bits: int, packed: npt.NDArray[np.uint8]) -> None:
    """Fill `packed`: each word holds the codes of one byte, the first one lowest."""
    mask = (1 << bits) - 1
    gathered = words & words.dtype.type(mask)
    for lane in range(1, 8 // bits):
        moved = words >> words.dtype.type(lane * (8 - bits))
        moved &= words.dtype.type(mask << (lane * bits))
        gathered |= moved
    packed[:] = gathered  # all that is left above eight bits is zero


def unpack(packed: npt.NDArray[np.uint8], bits: int, count: int) -> npt.NDArray[np.int8]:
    """Undo `pack` for signed codes: int8 [count]."""
    per_byte = 8 // bits
    if per_byte == 1:
        return packed[:count].view(np.int8)
    lanes = np.empty((packed.size, per_byte), np.uint8)
    for lane in range(per_byte):
        lanes[:, lane] = packed << np.uint8(8 - bits * (lane + 1))
    return lanes.reshape(-1)[:count].view(np.int8) >> np.int8(8 - bits)
