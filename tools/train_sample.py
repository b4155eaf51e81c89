"""Train the bundled sample and write `resources/sample/`: model, calibration data, test data.

    python tools/train_sample.py [FOLDER]

Needs the development packages (torch, scikit-learn). The data are scikit-learn's 1,797 handwritten
digits, which come with that package: 8 × 8 pixels, ten classes. The network is small, but it has
one of everything that a quantizer must handle: ordinary, depthwise and 1 × 1 convolutions, batch
normalisation that is still to be folded, two residual additions, global pooling, a linear layer.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

SEED = 7
EPOCHS = 45
BATCH = 64
TRAINING_SAMPLES = 1097
CALIBRATION_SAMPLES = 200
OPSET = 17
IR_VERSION = 8
DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / "resources" / "sample"

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ConvSpec:
    """A convolution with its batch normalisation: `name.conv`-like node names, NCHW."""

    name: str
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    has_relu: bool = True


@dataclass(frozen=True)
class ResidualSpec:
    """Convolutions whose result is added to their input, then ReLU."""

    name: str
    body: tuple[ConvSpec, ...]


STEM = ConvSpec("stem", 1, 32)
NETWORK: tuple[ConvSpec | ResidualSpec, ...] = (
    STEM,
    ConvSpec("block1.depthwise", 32, 32, groups=32),
    ConvSpec("block1.pointwise", 32, 64, kernel=1),
    ResidualSpec("block2", (ConvSpec("block2.conv1", 64, 64), ConvSpec("block2.conv2", 64, 64, has_relu=False))),
    ConvSpec("block3.depthwise", 64, 64, stride=2, groups=64),
    ConvSpec("block3.pointwise", 64, 96, kernel=1),
    ResidualSpec(
        "block4",
        (
            ConvSpec("block4.reduce", 96, 48, kernel=1),
            ConvSpec("block4.conv", 48, 48),
            ConvSpec("block4.expand", 48, 96, kernel=1, has_relu=False),
        ),
    ),
    ConvSpec("head", 96, 128, kernel=1),
)
CLASSES = 10


class ConvNorm(nn.Module):
    """One `ConvSpec` in torch."""

    def __init__(self, spec: ConvSpec) -> None:
        super().__init__()
        self.spec = spec
        self.conv = nn.Conv2d(
            spec.inputs,
            spec.outputs,
            spec.kernel,
            stride=spec.stride,
            padding=spec.kernel // 2,
            groups=spec.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(spec.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve, normalise, rectify."""
        x = self.norm(self.conv(x))
        return functional.relu(x) if self.spec.has_relu else x


class Residual(nn.Module):
    """One `ResidualSpec` in torch."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        self.body = nn.ModuleList(ConvNorm(conv) for conv in spec.body)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the body's result to the input."""
        y = x
        for conv in self.body:
            y = conv(y)
        return functional.relu(x + y)


class DigitsNet(nn.Module):
    """The whole network: [batch, 1, 8, 8] → logits [batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNorm(spec) if isinstance(spec, ConvSpec) else Residual(spec) for spec in NETWORK
        )
        self.fc = nn.Linear(128, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def load_split() -> dict[str, tuple[Images, Labels]]:
    """The digits as float32 NCHW images, normalised, shuffled once and split into three disjoint parts.

    Pixels have mean 0 and spread 1 over the training part, so that the files need no preprocessing.
    """
    digits: Any = load_digits()
    images = digits.images.astype(np.float32)[:, np.newaxis]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(images))
    images, labels = images[order], labels[order]
    training = images[:TRAINING_SAMPLES].astype(np.float64)
    images = (images - np.float32(training.mean())) / np.float32(training.std())
    ends = (TRAINING_SAMPLES, TRAINING_SAMPLES + CALIBRATION_SAMPLES)
    parts = zip(np.split(images, ends), np.split(labels, ends), strict=True)
    return dict(zip(("training", "calibration", "test"), parts, strict=True))


def augment(x: torch.Tensor, background: float, generator: torch.Generator) -> torch.Tensor:
    """Shift every image by up to one pixel in both directions."""
    padded = functional.pad(x, (1, 1, 1, 1), value=background)
    rows, columns = torch.randint(0, 3, (2, len(x)), generator=generator)
    return torch.stack(
        [image[:, r : r + 8, c : c + 8] for image, r, c in zip(padded, rows.tolist(), columns.tolist(), strict=True)]
    )


def train(images: Images, labels: Labels) -> DigitsNet:
    """Train with a one-cycle schedule; same seed, same network."""
    x = torch.from_numpy(images)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    generator = torch.Generator().manual_seed(SEED)
    network = DigitsNet()
    targets = torch.from_numpy(labels)
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    background = float(x.min())
    for epoch in range(EPOCHS):
        network.train()
        order = torch.randperm(len(x), generator=generator)
        total = 0.0
        for start in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            loss = functional.cross_entropy(
                network(augment(x[chosen], background, generator)), targets[chosen], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        sys.stderr.write(f"epoch {epoch + 1}/{EPOCHS}  loss {total / (len(x) // BATCH):.4f}\n")
    return network.eval()


def measure_top1(network: DigitsNet, x: torch.Tensor, labels: Labels) -> float:
    """Top-1 in percent."""
    with torch.no_grad():
        predicted = network(x).argmax(dim=1).numpy()
    return 100 * float((predicted == labels).mean())


class GraphWriter:
    """Writes the trained network as ONNX nodes with readable names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, tensor: torch.Tensor) -> str:
        """Store a float32 initializer."""
        values = tensor.detach().numpy().astype(np.float32)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op: str, name: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = output or f"{name}.out"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def conv_norm(self, module: ConvNorm, value: str) -> str:
        """Conv, BatchNormalization (kept as a node) and Relu."""
        spec, norm = module.spec, module.norm
        name = spec.name if "." in spec.name else f"{spec.name}.conv"
        pad = spec.kernel // 2
        value = self.node(
            "Conv",
            name,
            [value, self.constant(f"{name}.weight", module.conv.weight)],
            kernel_shape=[spec.kernel, spec.kernel],
            strides=[spec.stride, spec.stride],
            pads=[pad] * 4,
            group=spec.groups,
        )
        assert norm.running_mean is not None
        assert norm.running_var is not None
        statistics = {"scale": norm.weight, "bias": norm.bias, "mean": norm.running_mean, "var": norm.running_var}
        constants = [self.constant(f"{name}.norm.{key}", tensor) for key, tensor in statistics.items()]
        value = self.node("BatchNormalization", f"{name}.norm", [value, *constants], epsilon=float(norm.eps))
        return self.node("Relu", f"{name}.relu", [value]) if spec.has_relu else value

    def residual(self, spec: ResidualSpec, module: Residual, value: str) -> str:
        """The body, Add and Relu."""
        result = value
        for conv in module.body:
            assert isinstance(conv, ConvNorm)
            result = self.conv_norm(conv, result)
        added = self.node("Add", f"{spec.name}.add", [value, result])
        return self.node("Relu", f"{spec.name}.relu", [added])


def build_onnx(network: DigitsNet) -> onnx.ModelProto:
    """The trained network as an ONNX model with a dynamic batch."""
    writer = GraphWriter()
    value = "images"
    for spec, module in zip(NETWORK, network.blocks, strict=True):
        if isinstance(spec, ResidualSpec):
            assert isinstance(module, Residual)
            value = writer.residual(spec, module, value)
        else:
            assert isinstance(module, ConvNorm)
            value = writer.conv_norm(module, value)
    value = writer.node("GlobalAveragePool", "head.pool", [value])
    value = writer.node("Flatten", "head.flatten", [value], axis=1)
    weight = writer.constant("head.fc.weight", network.fc.weight)
    bias = writer.constant("head.fc.bias", network.fc.bias)
    writer.node("Gemm", "head.fc", [value, weight, bias], "logits", transB=1)
    graph = helper.make_graph(
        writer.nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        writer.initializers,
    )
    model = helper.make_model(graph, producer_name="bitsmith-sample", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def write_sample(folder: Path) -> None:
    """Train, export, and write every file of the sample."""
    folder.mkdir(parents=True, exist_ok=True)
    split = load_split()
    network = train(*split["training"])
    test_images, test_labels = split["test"]
    top1 = measure_top1(network, torch.from_numpy(test_images), test_labels)
    onnx.save(build_onnx(network), str(folder / "digits.onnx"))
    for name in ("calibration", "test"):
        images, labels = split[name]
        np.savez_compressed(folder / f"digits_{name}.npz", images=images, labels=labels)
    description = {
        "model": "digits.onnx",
        "calibration_data": "digits_calibration.npz",
        "test_data": "digits_test.npz",
        "float_top1": round(top1, 2),
        "test_samples": len(test_labels),
        "source": "scikit-learn's handwritten digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)",
    }
    (folder / "sample.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    sys.stderr.write(f"top-1 {top1:.2f} % on {len(test_labels)} images, {parameters} parameters, {size} bytes\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_sample(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
