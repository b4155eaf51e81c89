"""Transformers made by script: a BERT-base-like encoder by way of torch, a LLaMA-like decoder node by node.

The weights are random, the structure is real. `write_decoder` streams its weights into an external data
file, block by block: a model of any size takes a few megabytes of memory to write.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, external_data_helper, helper, numpy_helper

CACHE = Path(tempfile.gettempdir()) / "bitsmith-benchmarks"
ENCODER_VOCABULARY = 30_522
OPSET, IR_VERSION = 17, 8
BLOCK_ELEMENTS = 1 << 22
ALIGNMENT = 4096
ROTARY_BASE = 10_000.0
MASKED = -1e4
SEED = 0


@dataclass(frozen=True)
class EncoderShape:
    """What `write_encoder` builds; the defaults are those of BERT-base."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    ffn: int = 3072
    vocabulary: int = ENCODER_VOCABULARY
    positions: int = 512


@dataclass(frozen=True)
class DecoderShape:
    """What `write_decoder` builds; `key_heads` below `heads` is grouped-query attention."""

    layers: int = 22
    width: int = 2048
    ffn: int = 5632
    heads: int = 32
    key_heads: int = 4
    vocabulary: int = 32_000

    @property
    def head_size(self) -> int:
        """Elements of one head."""
        return self.width // self.heads

    @property
    def parameters(self) -> int:
        """Weights of all layers, embedding and output included, norms not."""
        attention = 2 * self.width * self.width + 2 * self.width * self.key_heads * self.head_size
        return self.layers * (attention + 3 * self.width * self.ffn) + 2 * self.vocabulary * self.width


ONE_BILLION = DecoderShape()
SEVEN_BILLION = DecoderShape(layers=32, width=4096, ffn=11_008, heads=32, key_heads=32)


def write_encoder(path: Path, shape: EncoderShape = EncoderShape(), seed: int = SEED) -> Path:
    """Export the encoder with `torch.onnx.export(dynamo=True)`: `input_ids` int64 [batch, sequence].

    Outputs: `hidden` [batch, sequence, width] and `pooled` [batch, width].
    """
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(shape.vocabulary, shape.width)
            self.positions = nn.Embedding(shape.positions, shape.width)
            self.types = nn.Embedding(2, shape.width)
            self.norm = nn.LayerNorm(shape.width)
            self.layers = nn.ModuleList(
                nn.TransformerEncoderLayer(
                    shape.width, shape.heads, shape.ffn, dropout=0.0, activation="gelu", batch_first=True
                )
                for _ in range(shape.layers)
            )
            self.pooler = nn.Linear(shape.width, shape.width)

        def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            places = torch.arange(input_ids.shape[1]).unsqueeze(0)
            hidden = self.words(input_ids) + self.positions(places) + self.types(torch.zeros_like(input_ids))
            hidden = self.norm(hidden)
            for layer in self.layers:
                hidden = layer(hidden)
            return hidden, torch.tanh(self.pooler(hidden[:, 0]))

    torch.manual_seed(seed)
    model = Encoder().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.02)
    was_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        torch.onnx.export(
            model,
            (torch.zeros((2, 16), dtype=torch.int64),),
            str(path),
            input_names=["input_ids"],
            output_names=["hidden", "pooled"],
            dynamic_shapes=({0: "batch", 1: "sequence"},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    finally:
        torch.backends.mha.set_fastpath_enabled(value=was_fast)
    return path


def cached_encoder(folder: Path = CACHE, shape: EncoderShape = EncoderShape()) -> Path:
    """The encoder in `folder`, written there if it is not."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"encoder_{shape.layers}x{shape.width}_{shape.vocabulary}.onnx"
    if not path.exists():
        write_encoder(path.with_suffix(".partial"), shape).replace(path)
    return path


def write_tokens(path: Path, samples: int, length: int, vocabulary: int, seed: int = 1) -> Path:
    """An `.npz` of random `input_ids` int64 [samples, length]."""
    np.savez(path, input_ids=np.random.default_rng(seed).integers(0, vocabulary, (samples, length)))
    return path


class _Weights:
    """Random weights on their way into one external data file; never more than a block in memory."""

    def __init__(self, path: Path, dtype: type[np.floating], seed: int) -> None:
        self._file = path.open("wb")
        self._location = path.name
        self._dtype = dtype
        rng = np.random.default_rng(seed)
        self._block = rng.standard_normal(BLOCK_ELEMENTS, np.float32)
        self._rng = rng
        self.tensors: list[TensorProto] = []

    def close(self) -> None:
        self._file.close()

    def matrix(self, name: str, rows: int, columns: int) -> str:
        """A weight [rows, columns], scaled by 1/√rows as trained ones are."""
        spread = np.float32(1.0 / np.sqrt(rows))
        self._reserve(name, (rows, columns))
        for values in self._blocks(rows * columns):
            (values * spread).astype(self._dtype).tofile(self._file)
        return name

    def vector(self, name: str, values: NDArray[np.floating], dtype: type[np.floating] | None = None) -> str:
        """A small constant, kept in the model file."""
        self.tensors.append(numpy_helper.from_array(values.astype(dtype or self._dtype), name))
        return name

    def integers(self, name: str, *values: int) -> str:
        """A shape, axis or index: int64 [len(values)]."""
        self.tensors.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _reserve(self, name: str, shape: tuple[int, ...]) -> None:
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        tensor = TensorProto(name=name, dims=shape, data_type=helper.np_dtype_to_tensor_dtype(np.dtype(self._dtype)))
        tensor.raw_data = b" "  # `set_external_data` asks for one; cleared below
        length = int(np.prod(shape)) * np.dtype(self._dtype).itemsize
        external_data_helper.set_external_data(tensor, self._location, offset=offset, length=length)
        tensor.ClearField("raw_data")
        self.tensors.append(tensor)

    def _blocks(self, elements: int) -> Iterator[NDArray[np.float32]]:
        """The one block of normal values, entered at a random place each time: every tensor is another."""
        while elements:
            start = int(self._rng.integers(0, BLOCK_ELEMENTS // 2))
            part = self._block[start : start + elements]
            elements -= len(part)
            yield part


class _Decoder:
    """Nodes of a LLaMA-like decoder."""

    def __init__(self, shape: DecoderShape, weights: _Weights, dtype: type[np.floating]) -> None:
        self._shape = shape
        self._weights = weights
        self._element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._dtype = dtype
        self.nodes: list[onnx.NodeProto] = []

    def node(self, op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def build(self) -> str:
        """Everything from `input_ids` to the logits → their name."""
        shape, weights = self._shape, self._weights
        table = weights.matrix("embed.weight", shape.vocabulary, shape.width)
        weights.integers("heads.query", 0, 0, shape.key_heads, shape.heads // shape.key_heads, shape.head_size)
        weights.integers("heads.key", 0, 0, shape.key_heads, 1, shape.head_size)
        weights.integers("heads.joined", 0, 0, shape.width)
        weights.vector("norm.epsilon", np.array(1e-5), np.float32)
        weights.vector("norm.two", np.array(2.0), np.float32)
        weights.vector("attention.scale", np.array(shape.head_size**-0.5))
        self._positions()
        hidden = self.node("Gather", [table, "input_ids"], "embed")
        for index in range(shape.layers):
            hidden = self._layer(hidden, f"layers.{index}")
        return self._linear(self._norm(hidden, "norm"), "head", shape.width, shape.vocabulary)

    def _linear(self, source: str, name: str, inputs: int, outputs: int) -> str:
        return self.node("MatMul", [source, self._weights.matrix(f"{name}.weight", inputs, outputs)], name)

    def _layer(self, hidden: str, name: str) -> str:
        shape = self._shape
        attended = self._attention(self._norm(hidden, f"{name}.norm1"), f"{name}.attention")
        hidden = self.node("Add", [hidden, attended], f"{name}.add1")
        source = self._norm(hidden, f"{name}.norm2")
        gate = self._linear(source, f"{name}.gate", shape.width, shape.ffn)
        swish = self.node("Mul", [gate, self.node("Sigmoid", [gate], f"{name}.sigmoid")], f"{name}.swish")
        up = self._linear(source, f"{name}.up", shape.width, shape.ffn)
        down = self._linear(self.node("Mul", [swish, up], f"{name}.gated"), f"{name}.down", shape.ffn, shape.width)
        return self.node("Add", [hidden, down], f"{name}.add2")

    def _norm(self, source: str, name: str) -> str:
        """RMSNorm, in float32 as LLaMA has it."""
        weight = self._weights.vector(f"{name}.weight", np.ones(self._shape.width))
        wide = self._cast(source, f"{name}.wide", TensorProto.FLOAT)
        square = self.node("Pow", [wide, "norm.two"], f"{name}.square")
        mean = self.node("ReduceMean", [square], f"{name}.mean", axes=[-1], keepdims=1)
        root = self.node("Sqrt", [self.node("Add", [mean, "norm.epsilon"], f"{name}.shift")], f"{name}.root")
        unit = self._cast(self.node("Div", [wide, root], f"{name}.unit"), f"{name}.narrow", self._element)
        return self.node("Mul", [unit, weight], name)

    def _cast(self, source: str, name: str, element: int) -> str:
        return source if self._dtype == np.float32 else self.node("Cast", [source], name, to=element)

    def _positions(self) -> None:
        """`rotary.cos`, `rotary.sin` [sequence, head size] and the causal mask `mask` [sequence, sequence]."""
        weights, half = self._weights, self._shape.head_size // 2
        frequencies = ROTARY_BASE ** (-np.arange(half, dtype=np.float64) / half)
        weights.vector("rotary.frequencies", frequencies[None], np.float32)
        weights.integers("zero", 0)
        weights.integers("one", 1)
        for name, value in (("scalar.zero", 0), ("scalar.one", 1)):
            weights.tensors.append(numpy_helper.from_array(np.array(value, np.int64), name))
        size = self.node("Shape", ["input_ids"], "sequence", start=1, end=2)
        count = self.node("Squeeze", [size, "zero"], "sequence.length")
        places = self.node("Range", ["scalar.zero", count, "scalar.one"], "places")
        column = self.node("Unsqueeze", [places, "one"], "places.column")
        angle = self.node("Cast", [column], "places.float", to=TensorProto.FLOAT)
        angle = self.node("Mul", [angle, "rotary.frequencies"], "rotary.half")
        angle = self.node("Concat", [angle, angle], "rotary.angle", axis=-1)
        for op in ("Cos", "Sin"):
            self._cast(self.node(op, [angle], f"rotary.{op.lower()}"), f"rotary.{op.lower()}.narrow", self._element)
        later = self.node("Less", [column, self.node("Unsqueeze", [places, "zero"], "places.row")], "later")
        masked, open_ = weights.vector("mask.masked", np.array(MASKED)), weights.vector("mask.open", np.array(0.0))
        self.node("Where", [later, masked, open_], "mask")

    def _rotate(self, source: str, name: str) -> str:
        """x · cos + rotate_half(x) · sin."""
        suffix = ".out" if self._dtype == np.float32 else ".narrow.out"
        half = f"{name}.first.out", f"{name}.second.out"
        self.nodes.append(helper.make_node("Split", [source], list(half), name=f"{name}.split", axis=-1))
        minus = self.node("Neg", [half[1]], f"{name}.minus")
        turned = self.node("Concat", [minus, half[0]], f"{name}.turned", axis=-1)
        straight = self.node("Mul", [source, f"rotary.cos{suffix}"], f"{name}.straight")
        return self.node("Add", [straight, self.node("Mul", [turned, f"rotary.sin{suffix}"], f"{name}.cross")], name)

    def _heads(self, source: str, name: str, outputs: int, layout: str) -> str:
        """[batch, key heads, query heads per key head, sequence, head size]."""
        made = self._linear(source, name, self._shape.width, outputs)
        split = self.node("Reshape", [made, layout], f"{name}.split")
        return self.node("Transpose", [split], f"{name}.heads", perm=[0, 2, 3, 1, 4])

    def _attention(self, source: str, name: str) -> str:
        shape = self._shape
        narrow = shape.key_heads * shape.head_size
        query = self._rotate(self._heads(source, f"{name}.q", shape.width, "heads.query"), f"{name}.q.rotary")
        key = self._rotate(self._heads(source, f"{name}.k", narrow, "heads.key"), f"{name}.k.rotary")
        value = self._heads(source, f"{name}.v", narrow, "heads.key")
        across = self.node("Transpose", [key], f"{name}.k.across", perm=[0, 1, 2, 4, 3])
        score = self.node("MatMul", [query, across], f"{name}.score")
        score = self.node("Mul", [score, "attention.scale"], f"{name}.scaled")
        share = self.node(
            "Softmax", [self.node("Add", [score, "mask.out"], f"{name}.masked")], f"{name}.share", axis=-1
        )
        mixed = self.node("MatMul", [share, value], f"{name}.mixed")
        joined = self.node("Transpose", [mixed], f"{name}.back", perm=[0, 3, 1, 2, 4])
        joined = self.node("Reshape", [joined, "heads.joined"], f"{name}.joined")
        return self._linear(joined, f"{name}.o", shape.width, shape.width)


def write_decoder(
    path: Path,
    shape: DecoderShape = ONE_BILLION,
    dtype: type[np.floating] = np.float32,
    seed: int = SEED,
) -> Path:
    """A decoder, `input_ids` int64 [batch, sequence] → `logits`, with its weights in `<path>.data` beside it."""
    data = path.with_name(f"{path.name}.data")
    weights = _Weights(data, dtype, seed)
    try:
        decoder = _Decoder(shape, weights, dtype)
        logits = decoder.build()
    finally:
        weights.close()
    decoder.nodes[-1].output[0] = "logits"
    assert logits.endswith(".out"), "the last node makes the logits"
    graph = helper.make_graph(
        decoder.nodes,
        "decoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [
            helper.make_tensor_value_info(
                "logits", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["batch", "sequence", shape.vocabulary]
            )
        ],
        weights.tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    path.write_bytes(model.SerializeToString())
    return path
