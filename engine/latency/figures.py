"""Measured latencies of one model, layer by layer: plain data with a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.numerics.schemes import FLOAT_BITS, Kernel

SCHEMA_VERSION = 2
Form = tuple[Kernel, int]
FLOAT_FORM: Form = (Kernel.FLOAT, FLOAT_BITS)
STATIC_FORM: Form = (Kernel.QLINEAR, 8)


@dataclass(frozen=True)
class LatencyCell:
    """One layer in one form.

    Attributes:
        us: microseconds per call of the layer's own operators.
        around_us: its share of what the operators between layers take more (or less) than in the float
            model, where every layer that can has the same kernel.
        is_estimated: from multiply-accumulates and bytes, not from the clock.
    """

    us: float
    around_us: float = 0.0
    is_estimated: bool = False


@dataclass(frozen=True)
class LayerLatency:
    """One layer's cells, by kernel and bits of the weight."""

    layer: str
    cells: Mapping[Form, LatencyCell]


@dataclass(frozen=True)
class Crossing:
    """Cost of one passage of a tensor between float and integers: QuantizeLinear or its inverse, and the layout."""

    fixed_us: float = 0.0
    per_element_us: float = 0.0

    def us(self, count: int, elements: int) -> float:
        """Microseconds of `count` passages with `elements` values in all."""
        return count * self.fixed_us + elements * self.per_element_us


@dataclass(frozen=True)
class Latencies:
    """Figures of one model on one machine.

    Attributes:
        cpu: model name and the instruction sets that integer kernels depend on.
        runtime: name and version of the runtime.
        base_us: what is no layer in the float model: other operators, layout changes, the call itself.
        nodes: by name of an operator that is no layer, the microseconds that it takes more on what an integer
            kernel wrote than in the float model.
        moved: the same for operators that move values quantized after a float kernel: a MaxPool on uint8 in
            ONNX's own layout takes forty times as long as one in the layout of integer kernels.
        elements: values per call of the tensors that a plan may quantize.
        absorbs_float: the runtime computes float layers that stand between integer ones on integers, too
            (ONNX Runtime's WeightBiasQuantization), as was seen in the optimised graph.
    """

    model_sha256: str
    model_name: str
    cpu: str
    runtime: str
    threads: int
    batch: int
    base_us: float
    layers: Mapping[str, LayerLatency]
    nodes: Mapping[str, float] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)
    crossing: Crossing = Crossing()
    absorbs_float: bool = False

    @property
    def float_us(self) -> float:
        """Microseconds per call of the float model."""
        return self.base_us + sum(layer.cells[FLOAT_FORM].us for layer in self.layers.values())


@dataclass(frozen=True)
class LatencyPrediction:
    """What a plan is predicted to take.

    Attributes:
        us: microseconds per call.
        is_estimated: some layer's figure is estimated.
    """

    us: float
    is_estimated: bool


def latencies_to_json(latencies: Latencies) -> dict[str, Any]:
    """The figures as a JSON document."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": latencies.model_name, "sha256": latencies.model_sha256},
        "cpu": latencies.cpu,
        "runtime": latencies.runtime,
        "threads": latencies.threads,
        "batch": latencies.batch,
        "float_us": _figure(latencies.float_us),
        "base_us": _figure(latencies.base_us),
        "layers": {name: _layer_to_json(layer) for name, layer in latencies.layers.items()},
        "nodes": {name: _figure(us) for name, us in latencies.nodes.items()},
        "moved": {name: _figure(us) for name, us in latencies.moved.items()},
        "elements": dict(latencies.elements),
        "crossing": {
            "fixed_us": _figure(latencies.crossing.fixed_us),
            "per_element_us": _figure(latencies.crossing.per_element_us),
        },
        "absorbs_float": latencies.absorbs_float,
    }


def _layer_to_json(layer: LayerLatency) -> list[dict[str, Any]]:
    return [
        {
            "kernel": str(kernel),
            "bits": bits,
            "us": _figure(cell.us),
            "around_us": _figure(cell.around_us),
            "is_estimated": cell.is_estimated,
        }
        for (kernel, bits), cell in layer.cells.items()
    ]


def latencies_from_json(document: Any) -> Latencies:
    """The figures in a document; ValueError, KeyError, TypeError or AttributeError if it is none of this version."""
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(document["schema_version"])
    return Latencies(
        model_sha256=document["model"]["sha256"],
        model_name=document["model"]["name"],
        cpu=document["cpu"],
        runtime=document["runtime"],
        threads=document["threads"],
        batch=document["batch"],
        base_us=document["base_us"],
        layers={name: _layer_from_json(name, cells) for name, cells in document["layers"].items()},
        nodes=dict(document["nodes"]),
        moved=dict(document["moved"]),
        elements=dict(document["elements"]),
        crossing=Crossing(**document["crossing"]),
        absorbs_float=document["absorbs_float"],
    )


def _layer_from_json(name: str, cells: list[dict[str, Any]]) -> LayerLatency:
    return LayerLatency(
        name,
        {
            (Kernel(cell["kernel"]), int(cell["bits"])): LatencyCell(
                cell["us"], cell["around_us"], cell["is_estimated"]
            )
            for cell in cells
        },
    )


def _figure(value: float) -> float:
    """Six digits: more than a clock tells."""
    return float(f"{value:.6g}")
