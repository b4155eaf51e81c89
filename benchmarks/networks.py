"""Networks made by script, for measurements where only shapes matter: random weights, real structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RESNET50_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
EXPANSION = 4


class _Builder:
    """Collects nodes and He-initialised weights."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"{name}.out"], name=name, **attributes))
        return f"{name}.out"

    def convolution(self, source: str, name: str, shape: tuple[int, int, int], stride: int = 1) -> str:
        """Convolution and BatchNorm; `shape` is (outputs, inputs, kernel)."""
        outputs, inputs, kernel = shape
        spread = np.sqrt(2.0 / (inputs * kernel * kernel))
        weight = self.constant(f"{name}.weight", self._rng.standard_normal((outputs, inputs, kernel, kernel)) * spread)
        pads = [kernel // 2] * 4
        made = self.node(
            "Conv", [source, weight], name, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pads
        )
        norm = [
            self.constant(f"{name}.gamma", self._rng.uniform(0.5, 1.0, outputs)),
            self.constant(f"{name}.beta", self._rng.standard_normal(outputs) * 0.1),
            self.constant(f"{name}.mean", self._rng.standard_normal(outputs) * 0.1),
            self.constant(f"{name}.var", self._rng.uniform(0.5, 1.5, outputs)),
        ]
        return self.node("BatchNormalization", [made, *norm], f"{name}.norm")

    def dense(self, source: str, name: str, outputs: int, inputs: int) -> str:
        weight = self.constant(f"{name}.weight", self._rng.standard_normal((outputs, inputs)) * 0.01)
        bias = self.constant(f"{name}.bias", np.zeros(outputs))
        return self.node("Gemm", [source, weight, bias], name, transB=1)

    def bottleneck(self, source: str, name: str, inputs: int, width: int, stride: int) -> str:
        outputs = width * EXPANSION
        value = self.node("Relu", [self.convolution(source, f"{name}.conv1", (width, inputs, 1))], f"{name}.relu1")
        value = self.convolution(value, f"{name}.conv2", (width, width, 3), stride)
        value = self.node("Relu", [value], f"{name}.relu2")
        value = self.convolution(value, f"{name}.conv3", (outputs, width, 1))
        if stride > 1 or inputs != outputs:
            source = self.convolution(source, f"{name}.downsample", (outputs, inputs, 1), stride)
        return self.node("Relu", [self.node("Add", [value, source], f"{name}.add")], f"{name}.relu3")


def write_resnet50(path: Path, seed: int = 0) -> Path:
    """ResNet-50, 224×224, BatchNorm kept, 25.5 million random weights."""
    build = _Builder(seed)
    value = build.node("Relu", [build.convolution("input", "stem", (64, 3, 7), 2)], "stem.relu")
    value = build.node("MaxPool", [value], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (width, blocks) in enumerate(RESNET50_STAGES, 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            value = build.bottleneck(value, f"layer{stage}.{block}", channels, width, stride)
            channels = width * EXPANSION
    value = build.node("GlobalAveragePool", [value], "mean")
    build.dense(build.node("Flatten", [value], "flatten"), "fc", 1000, channels)
    graph = helper.make_graph(
        build.nodes,
        "resnet50",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [helper.make_tensor_value_info("fc.out", TensorProto.FLOAT, ["batch", 1000])],
        build.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def write_images(path: Path, count: int, seed: int = 1) -> Path:
    """`count` random 224×224 inputs, smooth enough to look like pictures to a convolution."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((count, 3, 28, 28)).astype(np.float32)
    np.save(path, np.repeat(np.repeat(coarse, 8, axis=2), 8, axis=3))
    return path
