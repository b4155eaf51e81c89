"""PyTorch in and out: archives become ONNX, plans become packed weights. Torch is loaded only when such a file is."""

from __future__ import annotations

PACKED_SUFFIX = ".safetensors"


def is_packed_path(path: object) -> bool:
    """Whether a file of this name is packed PyTorch."""
    return str(path).lower().endswith(PACKED_SUFFIX)
