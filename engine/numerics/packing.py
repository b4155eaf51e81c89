"""2- and 4-bit integers in ONNX's layout: low bits first, rows run on, the last byte padded with zero.

Source: ONNX TensorProto, `raw_data` of INT4/UINT4 (IR 10) and INT2/UINT2 (IR 13).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def packed_bytes(elements: int, bits: int) -> int:
    """Bytes that `elements` integers of `bits` take."""
    return -(-elements * bits // 8)


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
    padded = np.zeros(packed_bytes(flat.size, bits) * per_byte, np.uint8)
    np.bitwise_and(flat, (1 << bits) - 1, out=padded[: flat.size])
    lanes = padded.reshape(-1, per_byte)
    packed = lanes[:, 0].copy()
    for lane in range(1, per_byte):
        packed |= lanes[:, lane] << np.uint8(lane * bits)
    return packed


def unpack(packed: npt.NDArray[np.uint8], bits: int, count: int) -> npt.NDArray[np.int8]:
    """Undo `pack` for signed codes: int8 [count]."""
    per_byte = 8 // bits
    if per_byte == 1:
        return packed[:count].view(np.int8)
    lanes = np.empty((packed.size, per_byte), np.uint8)
    for lane in range(per_byte):
        lanes[:, lane] = packed << np.uint8(8 - bits * (lane + 1))
    return lanes.reshape(-1)[:count].view(np.int8) >> np.int8(8 - bits)
