"""Conversion with what became of each layer, and evaluation of a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.numerics.schemes import Rounding
from engine.plan import Plan
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES, DataChoice

DEFAULT_EVALUATION_SAMPLES = 1000
# Below this SQNR against float, in dB, a result is marked as degraded.
DEGRADED_SQNR_DB = 10.0


class DeviceChoice(StrEnum):
    """What weights are trained on: a GPU through CUDA if there is one, the CPU, or a GPU and nothing else."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class ConvertRequest:
    """Convert, verify and write a model → `ConvertResult`.

    A static plan needs `calibration` (a file) or `data` (calibrated on the way).

    Attributes:
        device: what AdaRound, reconstruction and distillation run on; only the CPU gives the same bits every time.
    """

    model: str
    plan: Plan
    output: str
    data: DataChoice | None = None
    calibration: str | None = None
    samples: int = DEFAULT_CALIBRATION_SAMPLES
    device: DeviceChoice = DeviceChoice.AUTO


@dataclass(frozen=True)
class DistillationPoint:
    """A point of the curves of a conversion that distills, handed out as a partial result.

    Losses are KL(float ‖ quantized) per prediction, in nats, or the noise of outputs that are no class scores, by
    their energy.

    Attributes:
        step: how many were made; 0 for the start.
        loss: mean of the steps since the last point; the held-out one at the start.
        held_out_loss: on samples that are not learned from.
        is_best: the lowest held-out loss so far.
    """

    step: int
    steps: int
    loss: float
    held_out_loss: float
    is_best: bool
    seconds: float


@dataclass(frozen=True)
class BlockPoint:
    """A point of the curve of a block in training, handed out several times a second as a partial result.

    Losses are squared errors at the block's ends by the energy there.

    Attributes:
        block: counted from 0.
        layers: names of those in the block.
        step: how many were made; 0 for the start.
        loss: mean of the steps since the last point, with values left unquantized at random; at the start the
            held-out one.
        held_out_loss: with everything quantized, on samples that are not learned from; None where it was not measured.
        is_best: the lowest held-out loss so far.
    """

    block: int
    blocks: int
    layers: tuple[str, ...]
    step: int
    steps: int
    loss: float
    held_out_loss: float | None
    is_best: bool


@dataclass(frozen=True)
class BlockReconstruction:
    """A block that was trained, handed out as a partial result of a conversion that reconstructs blocks.

    Attributes:
        block: counted from 0.
        layers: names of those in the block.
        start_loss, loss: squared error at the block's end by its energy, on samples that are not learned from; both
            are the same if nothing better was found and the block stayed as it was.
    """

    block: int
    blocks: int
    layers: tuple[str, ...]
    start_loss: float
    loss: float
    seconds: float


@dataclass(frozen=True)
class LayerRounding:
    """A layer whose codes were chosen by what it reads, handed out as a partial result of a conversion.

    Its output is compared with that of the float layer in the float network, in dB of SQNR; infinite where nothing is
    lost.

    Attributes:
        nearest_sqnr_db: with the nearest codes.
        sqnr_db: with the codes that were chosen, and the bias that goes with them.
    """

    layer: str
    rounding: Rounding
    nearest_sqnr_db: float
    sqnr_db: float


class Change(StrEnum):
    """What changed a layer besides the choice of its codes."""

    EQUALIZE = "equalize"
    SCALE = "scale"
    RECONSTRUCT = "reconstruct"


@dataclass(frozen=True)
class LayerChange:
    """A layer before and after a method that does not choose its codes, handed out as a partial result.

    Attributes:
        before_db, after_db: SQNR in dB, infinite where nothing is lost. `Change.EQUALIZE`: of the weights rounded to
            nearest. `Change.SCALE`: of the layer's output by these, on the inputs that the float layer reads.
            `Change.RECONSTRUCT`: of what others read of the layer, behind its activation function, in the quantized
            network against the float one, on samples that are not learned from.
    """

    layer: str
    change: Change
    before_db: float
    after_db: float


@dataclass(frozen=True)
class LayerOutcome:
    """What became of one layer in the written file.

    `is_integer` says whether ONNX Runtime runs it on an integer kernel, read from its optimised graph.
    """

    name: str
    bits: int
    kernel: str
    is_integer: bool


@dataclass(frozen=True)
class ConvertResult:
    """A written model and what verification found.

    Attributes:
        sqnr_db: of the written model's outputs against float, on `verified_samples` samples; None if it
            was not compared.
        is_drawn: these samples are random, because no data was given.
        kernel_sqnr_db: of the written model against the engine's own simulation of the plan.
        is_degraded: the result is far from float; `warnings` says it with the figure.
        bits_per_weight: all stored bits of all layers, scales included.
        opset: of the written file; None for packed PyTorch.
        is_portable: whether standard ONNX operators suffice; None for packed PyTorch.
        devices: what weights were trained on, in turn: CPU, or the name of a GPU; empty if nothing was trained.
    """

    output: str
    file_bytes: int
    predicted_bytes: int
    source_bytes: int
    sqnr_db: float | None
    kernel_sqnr_db: float | None
    verified_samples: int
    layers: tuple[LayerOutcome, ...]
    warnings: tuple[str, ...] = ()
    is_degraded: bool = False
    bits_per_weight: float = 0.0
    opset: int | None = None
    is_portable: bool | None = None
    is_drawn: bool = False
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateRequest:
    """Measure a model on data, and against a reference model → `Evaluation`."""

    model: str
    data: DataChoice
    reference: str | None = None
    samples: int = DEFAULT_EVALUATION_SAMPLES


@dataclass(frozen=True)
class Evaluation:
    """What was measured. Percentages are 0…100; fields that do not apply are None.

    `reference_top1` and `reference_perplexity` belong to the reference on the same samples.
    """

    model: str
    reference: str | None
    samples: int
    top1: float | None = None
    top5: float | None = None
    agreement: float | None = None
    sqnr_db: float | None = None
    cosine: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    reference_top1: float | None = None
    reference_top5: float | None = None
    reference_perplexity: float | None = None
