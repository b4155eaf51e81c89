"""Layers that run from packed 2-, 4- and 8-bit weights: load a file that Bitsmith wrote and use it in PyTorch.

This file needs torch and safetensors and nothing of Bitsmith: copy it into your project.

    modules = load_packed("net-int4.safetensors")    # {layer name: module}
    replace_layers(network, modules)                 # by module path, as "encoder.0.linear1"

Weights stay packed in memory and are unpacked when a layer runs, exactly: `weight()` is bit for bit what
Bitsmith's own simulation computes with. Inputs and biases are floats. A 4-bit linear layer with groups of
32, 64, 128 or 256 uses torch's own int4 kernel on CPUs, which keeps even the multiplication packed.

Bitsmith folds a BatchNorm into the layer before it. Where your network still has it, put `nn.Identity()`
in its place; `is_folded` tells which layers hold one.

File format, version 1. A .safetensors file (https://huggingface.co/docs/safetensors) whose metadata entry
`bitsmith` is a JSON object: `format_version`, `bitsmith_version`, `source_name`, `source_sha256`,
`plan_sha256` and `layers`, a list of objects with `name`, `title` (module path), `op` (ONNX), `kind`
(linear, conv, conv_transpose, embedding, or weight for what has no module here), `bits`, `group_size`,
`channels`, `inputs`, `weight_shape`, `permuted_shape`, `inverse_permutation`, `is_folded` and `attributes`.
The tensors of a layer are named `<name>.<part>`:

    codes          uint8 [ceil(channels · inputs · bits / 8)], signed codes of the matrix [channels, inputs] in C
                   order, low bits first, two's complement
    scale          float32 [channels, groups], [channels, 1] or [1, 1]: real value of one step
    zero_point     int8, as scale; absent if symmetric
    multiplier     int8 [channels, groups], and channel_scale float32 [channels], instead of scale: the scale of a
                   group is their product
    values         float32 or float16 [channels, inputs], instead of all of these, for 32 and 16 bits
    bias           float32 [channels]; absent without one

    weight = (codes − zero_point) · scale, reshaped to permuted_shape, permuted, reshaped to weight_shape
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

FORMAT_VERSION = 1
INT4_GROUP_SIZES = (256, 128, 64, 32)
INT4_CHANNEL_MULTIPLE = 16
# Of torch/aten/src/ATen/native/LinearAlgebra.cpp; absent from builds before 2.6.
_PACK_INT4: Any = getattr(torch.ops.aten, "_convert_weight_to_int4pack_for_cpu", None)
_MULTIPLY_INT4: Any = getattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu", None)
_PARTS = ("codes", "scale", "zero_point", "multiplier", "channel_scale", "values", "bias")


def unpack_codes(packed: Tensor, bits: int, count: int) -> Tensor:
    """int8 [count] from uint8 bytes, low bits first, two's complement."""
    lanes = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    codes = (packed[:, None] >> lanes) & ((1 << bits) - 1)
    sign = 1 << (bits - 1)
    return ((codes.reshape(-1)[:count].to(torch.int16) ^ sign) - sign).to(torch.int8)


class PackedWeight(nn.Module):
    """A packed weight that can be unpacked; the base of all layers, and of what has no layer of its own.

    Attributes:
        name, title: the layer in the ONNX graph, and its module path if the exporter left one.
        info: the layer's entry in the file's metadata.
        codes, scale, zero_point, multiplier, channel_scale, values, bias: buffers as in the file, or None.
    """

    codes: Tensor | None
    scale: Tensor | None
    zero_point: Tensor | None
    multiplier: Tensor | None
    channel_scale: Tensor | None
    values: Tensor | None
    bias: Tensor | None

    def __init__(self, info: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.info = dict(info)
        self.name: str = info["name"]
        self.title: str = info["title"]
        self.bits: int = info["bits"]
        self.channels: int = info["channels"]
        self.inputs: int = info["inputs"]
        self.group_size: int = info["group_size"]
        for part in _PARTS:
            self.register_buffer(part, tensors.get(part))

    @property
    def is_folded(self) -> bool:
        """Whether a BatchNorm was folded into this layer."""
        return bool(self.info["is_folded"])

    def matrix(self) -> Tensor:
        """The weight as float32 [channels, inputs]."""
        if self.values is not None:
            return self.values.float()
        codes = self.integer_codes().float()
        if self.zero_point is not None:
            codes = codes - self._per_input(self.zero_point.float())
        if self.multiplier is not None and self.channel_scale is not None:
            return codes * self._per_input(self.multiplier.float()) * self.channel_scale[:, None]
        return codes * self._per_input(cast("Tensor", self.scale))

    def weight(self) -> Tensor:
        """The weight in the shape of the ONNX operator; [channels, inputs] for linear layers."""
        permuted = self.matrix().reshape(self.info["permuted_shape"]).permute(self.info["inverse_permutation"])
        return permuted.reshape(self.info["weight_shape"])

    def integer_codes(self) -> Tensor:
        """int8 [channels, inputs]."""
        packed = cast("Tensor", self.codes)
        return unpack_codes(packed, self.bits, self.channels * self.inputs).reshape(self.channels, self.inputs)

    def extra_repr(self) -> str:
        return f"{self.title}, {self.info['op']}, {self.bits} bits, {self.channels}×{self.inputs}"

    def _per_input(self, per_group: Tensor) -> Tensor:
        if per_group.shape[1] == 1:
            return per_group
        return per_group.repeat_interleave(self.group_size, dim=1)[:, : self.inputs]

    def _bias_like(self, values: Tensor) -> Tensor | None:
        return None if self.bias is None else self.bias.to(values.dtype)


class PackedLinear(PackedWeight):
    """y = x · weightᵀ + bias, as `nn.Linear`.

    Attributes:
        use_int4_kernel: let torch's int4 CPU kernel run what it can; its results differ from the exact ones by
            rounding in the dtype of the input.
    """

    def __init__(self, info: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(info, tensors)
        self.use_int4_kernel = True
        self._int4: dict[torch.dtype, tuple[Tensor, Tensor] | None] = {}

    def forward(self, x: Tensor) -> Tensor:
        if (packed := self._int4_weight(x)) is not None:
            codes, scales = packed
            rows = x.reshape(-1, self.inputs).contiguous()
            y: Tensor = _MULTIPLY_INT4(rows, codes, self._int4_group_size(), scales)
            y = y.reshape(*x.shape[:-1], self.channels)
            bias = self._bias_like(x)
            return y if bias is None else y + bias
        return functional.linear(x, self.weight().to(x.dtype), self._bias_like(x))

    def runs_int4_kernel(self, x: Tensor) -> bool:
        """Whether `x` would be multiplied by torch's int4 kernel."""
        return self._int4_weight(x) is not None

    def _int4_weight(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        if not self.use_int4_kernel or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
            return None
        if _PACK_INT4 is None or self.bits != 4 or not self._int4_group_size() or self.channels % INT4_CHANNEL_MULTIPLE:
            return None
        if x.requires_grad and torch.is_grad_enabled():
            return None
        if x.dtype not in self._int4:
            self._int4[x.dtype] = self._build_int4(x.dtype)
        return self._int4[x.dtype]

    def _int4_group_size(self) -> int:
        """The group size to run with; a scale for a whole channel is repeated. 0 if the kernel has none that fits."""
        groups = 1 if self.scale is None else self.scale.shape[1]
        if self.multiplier is not None:
            groups = self.multiplier.shape[1]
        if groups > 1:
            return self.group_size if self.group_size in INT4_GROUP_SIZES and not self.inputs % self.group_size else 0
        return next((size for size in INT4_GROUP_SIZES if self.inputs % size == 0), 0)

    def _build_int4(self, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
        """Codes and [groups, channels, 2] of scale and offset; the kernel computes (code − 8) · scale + offset."""
        scale = self.scale
        if self.multiplier is not None and self.channel_scale is not None:
            scale = self.multiplier.float() * self.channel_scale[:, None]
        assert scale is not None
        offset = torch.zeros_like(scale) if self.zero_point is None else -self.zero_point.float() * scale
        shape = (self.channels, self.inputs // self._int4_group_size())
        both = torch.stack((scale.expand(shape).T, offset.expand(shape).T), dim=-1).to(dtype).contiguous()
        try:
            codes = _PACK_INT4((self.integer_codes() + 8).int(), 1)
        except (RuntimeError, NotImplementedError):
            return None  # this build of torch, or this CPU, has no such kernel
        return codes, both


class PackedConv(PackedWeight):
    """A convolution in one, two or three dimensions, as `nn.Conv1d`, `nn.Conv2d` and `nn.Conv3d`."""

    def forward(self, x: Tensor) -> Tensor:
        attributes = self.info["attributes"]
        weight = self.weight().to(x.dtype)
        begins, ends = self._padding(x, attributes)
        if begins != ends:
            sides = [side for pair in zip(reversed(begins), reversed(ends), strict=True) for side in pair]
            x, begins = functional.pad(x, sides), [0] * len(begins)
        convolve: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[weight.dim() - 3]
        result: Tensor = convolve(
            x,
            weight,
            self._bias_like(x),
            attributes["stride"],
            begins,
            attributes["dilation"],
            attributes["groups"],
        )
        return result

    @staticmethod
    def _padding(x: Tensor, attributes: Mapping[str, Any]) -> tuple[list[int], list[int]]:
        """Zeros before and after each dimension; ONNX's SAME_UPPER and SAME_LOWER depend on the input."""
        if attributes["auto_pad"] not in ("SAME_UPPER", "SAME_LOWER"):
            return list(attributes["padding_begin"]), list(attributes["padding_end"])
        begins, ends = [], []
        sizes = zip(x.shape[2:], attributes["kernel"], attributes["stride"], attributes["dilation"], strict=True)
        for size, kernel, stride, dilation in sizes:
            total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            small, large = total // 2, total - total // 2
            begins.append(small if attributes["auto_pad"] == "SAME_UPPER" else large)
            ends.append(total - begins[-1])
        return begins, ends


class PackedConvTranspose(PackedWeight):
    """A transposed convolution in one, two or three dimensions, as `nn.ConvTranspose2d`."""

    def forward(self, x: Tensor) -> Tensor:
        attributes = self.info["attributes"]
        weight = self.weight().to(x.dtype)
        convolve: Any = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[
            weight.dim() - 3
        ]
        result: Tensor = convolve(
            x,
            weight,
            self._bias_like(x),
            attributes["stride"],
            attributes["padding_begin"],
            attributes["output_padding"],
            attributes["groups"],
            attributes["dilation"],
        )
        return result


class PackedEmbedding(PackedWeight):
    """Rows of a table, as `nn.Embedding`."""

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight())


_MODULES: dict[str, type[PackedWeight]] = {
    "linear": PackedLinear,
    "conv": PackedConv,
    "conv_transpose": PackedConvTranspose,
    "embedding": PackedEmbedding,
    "weight": PackedWeight,
}


def load_packed(path: str | os.PathLike[str]) -> dict[str, nn.Module]:
    """The layers of a packed file by name, ready to run.

    Raises:
        ValueError: not a packed file of Bitsmith, or one of a newer version.
    """
    with safe_open(os.fspath(path), framework="pt") as file:
        document = json.loads((file.metadata() or {}).get("bitsmith", "null"))
        if document is None:
            raise ValueError(f"{path} was not written by Bitsmith.")
        if document["format_version"] > FORMAT_VERSION:
            raise ValueError(f"{path} was written by a newer Bitsmith. Take its engine/pytorch/packed.py.")
        names = set(file.keys())
        return {
            info["name"]: _MODULES[info["kind"]](
                info,
                {
                    part: file.get_tensor(f"{info['name']}.{part}")
                    for part in _PARTS
                    if f"{info['name']}.{part}" in names
                },
            )
            for info in document["layers"]
        }


def replace_layers(network: nn.Module, modules: Mapping[str, nn.Module]) -> Sequence[str]:
    """Put packed layers in the place of those with their module path; return the paths that were replaced.

    Only plain linear, convolution and embedding modules of the same size are replaced: an attention
    block, for one, computes more than the projection that bears its name.
    """
    replaced = []
    known = dict(network.named_modules())
    for module in modules.values():
        title = str(getattr(module, "title", ""))
        if _is_same_layer(known.get(title), module):
            parent, _, child = title.rpartition(".")
            setattr(known[parent], child, module)
            replaced.append(title)
    return replaced


def _is_same_layer(present: nn.Module | None, module: nn.Module) -> bool:
    kinds = {
        PackedLinear: (nn.Linear,),
        PackedConv: (nn.Conv1d, nn.Conv2d, nn.Conv3d),
        PackedConvTranspose: (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        PackedEmbedding: (nn.Embedding,),
    }
    if not isinstance(module, PackedWeight) or not isinstance(present, kinds.get(type(module), ())):
        return False
    return present.weight.numel() == module.channels * module.inputs
