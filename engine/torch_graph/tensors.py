"""From ONNX data to torch tensors. Half precision is computed in float32: on a CPU that is faster and no less true."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import torch

DTYPES = {
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.FLOAT16: torch.float32,
    ir.DataType.BFLOAT16: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.INT8: torch.int8,
    ir.DataType.INT16: torch.int16,
    ir.DataType.INT32: torch.int32,
    ir.DataType.INT64: torch.int64,
    ir.DataType.UINT8: torch.uint8,
    ir.DataType.UINT16: torch.uint16,
    ir.DataType.UINT32: torch.uint32,
    ir.DataType.UINT64: torch.uint64,
    ir.DataType.BOOL: torch.bool,
}


def to_tensor(values: npt.NDArray[Any]) -> torch.Tensor:
    """A tensor on the CPU; shares memory with a writable contiguous array of a dtype that stays as it is."""
    if values.dtype == np.float16 or values.dtype.name == "bfloat16":
        values = values.astype(np.float32)
    contiguous = np.ascontiguousarray(values).reshape(values.shape)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
