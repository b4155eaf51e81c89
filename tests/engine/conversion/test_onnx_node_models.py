"""onnx's own backend test models of every weighted operator: prepared, converted to 8 bits, and still right.

Their weights arrive as graph inputs; here they become initializers, with the values of the test's own data
set. Models that hold nothing to quantize are listed with the reason, and must be refused with a sentence.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper, version_converter
from onnx.backend.test.case.node import _NodeTestCases

from engine.conversion.convert import convert
from engine.errors import ModelError
from engine.job_context import JobContext
from engine.model import layers
from engine.model.opened import open_model
from engine.numerics.schemes import Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from tests.engine.models import Array, calibrate_on, plan_for, run_model, save_model, sqnr_db, write_dataset

OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Gather", "BatchNormalization")
CASE_MODULES = ("conv", "convtranspose", "gemm", "matmul", "gather", "batch_normalization")
SHIPPED = Path(onnx.backend.test.__file__).parent / "data"
# The shipped files have opset 6, one below what the engine reads.
RAISED_OPSET = 13
# Some outputs are two numbers: luck decides how far above this they are.
REQUIRED_SQNR_DB = 28.0

NORM = "BatchNormalization alone: no layer before it to be folded into (the test below puts one there)"
TRAINING = "BatchNormalization that computes its statistics from the batch: nothing constant to fold"
VECTOR = "an operand of one dimension: a sum of products, not a layer with channels"
TABLE = "Gather along another axis, or from a tensor that is no table of rows"
MATRIX_BIAS = "Gemm adds a matrix, which no integer kernel takes as a bias"
REFUSED = {
    "test_BatchNorm1d_3d_input_eval": NORM,
    "test_BatchNorm2d_eval": NORM,
    "test_BatchNorm2d_momentum_eval": NORM,
    "test_BatchNorm3d_eval": NORM,
    "test_BatchNorm3d_momentum_eval": NORM,
    "test_batchnorm_epsilon": NORM,
    "test_batchnorm_example": NORM,
    "test_batchnorm_epsilon_training_mode": TRAINING,
    "test_batchnorm_example_training_mode": TRAINING,
    "test_gather_0": TABLE,
    "test_gather_1": TABLE,
    "test_gather_2d_indices": TABLE,
    "test_gather_negative_indices": TABLE,
    "test_gemm_default_matrix_bias": MATRIX_BIAS,
    "test_matmul_1d_1d": VECTOR,
    "test_matmul_4d_1d": VECTOR,
}


@dataclass(frozen=True)
class Case:
    """A model whose weights are initializers, what goes in and what must come out."""

    model: onnx.ModelProto
    feeds: dict[str, Array]
    expected: tuple[Array, ...]


@pytest.fixture
def weights_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx's models are toys: most of their weights are below the size that is worth quantizing."""
    monkeypatch.setattr(layers, "MIN_PARAMETERS", 1)


def activation_index(node: onnx.NodeProto) -> int:
    """Position of the activation among the inputs of an operator: all others are weights."""
    return 1 if node.op_type == "Gather" else 0


def with_initializers(model: onnx.ModelProto, values: dict[str, Array], activation: str) -> Case:
    """The model in which only `activation` is an input."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    changed.ir_version = max(changed.ir_version, 4)  # before, an initializer had to be an input too
    held = {tensor.name for tensor in changed.graph.initializer}
    for name, value in values.items():
        if name != activation and name not in held:
            changed.graph.initializer.append(numpy_helper.from_array(value, name))
    kept = [item for item in changed.graph.input if item.name == activation]
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    return Case(changed, {activation: values[activation]}, ())


@cache
def node_cases() -> dict[str, Case]:
    """Single-operator models that onnx builds in Python."""
    for name in CASE_MODULES:
        importlib.import_module(f"onnx.backend.test.case.node.{name}")
    found = {}
    for item in _NodeTestCases:
        node = item.model.graph.node[0]
        if len(item.model.graph.node) != 1 or node.op_type not in OPERATORS:
            continue
        inputs, outputs = item.data_sets[0]
        names = [value.name for value in item.model.graph.input]
        case = with_initializers(item.model, dict(zip(names, inputs, strict=True)), node.input[activation_index(node)])
        found[item.name] = Case(case.model, case.feeds, tuple(outputs))
    return found


def read_tensor(path: Path) -> Array:
    return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


@cache
def shipped_cases() -> dict[str, Case]:
    """Models in files, which PyTorch exported long ago."""
    found = {}
    for path in sorted(SHIPPED.glob("pytorch-*/*/model.onnx")):
        model = onnx.load(path)
        if not any(node.op_type in OPERATORS for node in model.graph.node):
            continue
        data = path.parent / "test_data_set_0"
        held = {tensor.name for tensor in model.graph.initializer}
        names = [value.name for value in model.graph.input if value.name not in held]
        values = {name: read_tensor(data / f"input_{index}.pb") for index, name in enumerate(names)}
        case = with_initializers(model, values, names[0])
        raised = version_converter.convert_version(case.model, RAISED_OPSET)
        found[path.parent.name] = Case(raised, case.feeds, (read_tensor(data / "output_0.pb"),))
    return found


def cases() -> dict[str, Case]:
    return {**node_cases(), **shipped_cases()}


def convert_case(case: Case, folder: Path, kernel: Kernel | None) -> tuple[ConvertResult, list[Array]]:
    """Convert to 8 bits as a user would (`kernel` None: default settings), and run the result."""
    opened = open_model(save_model(case.model, folder))
    dataset = write_dataset(opened, case.feeds, folder / "data.npz")
    calibration = calibrate_on(opened, dataset)
    plan: Plan = build_plan(opened.summary, 8)
    if kernel is not None:
        scheme = WeightScheme(8, granularity=PerGroup(16)) if kernel == Kernel.NBITS else WeightScheme(8)
        plan = plan_for(opened.summary, LayerPlan(scheme, kernel))
    output = folder / f"{kernel or 'default'}.onnx"
    result = convert(opened, ConvertRequest(str(opened.path), plan, str(output)), calibration, dataset, JobContext())
    return result, run_model(output, case.feeds, optimized=True)


def kernels_of(case: Case, folder: Path) -> list[Kernel]:
    """Those that every layer of the model offers."""
    found = open_model(save_model(case.model, folder)).layers
    return [kernel for kernel in found[0].kernels if all(kernel in layer.kernels for layer in found)]


def ensure_right(case: Case, found: list[Array], required_db: float) -> None:
    assert [(output.shape, output.dtype) for output in found] == [(one.shape, one.dtype) for one in case.expected]
    for expected, output in zip(case.expected, found, strict=True):
        assert sqnr_db(expected, output) >= required_db


@pytest.mark.usefixtures("weights_of_any_size")
@pytest.mark.parametrize("name", sorted(set(cases()) - set(REFUSED)))
def test_that_a_backend_test_model_converts_to_8_bits_with_every_kernel_it_offers(name: str, tmp_path: Path) -> None:
    case = cases()[name]
    for kernel in (None, *kernels_of(case, tmp_path)):
        result, found = convert_case(case, tmp_path, kernel)
        assert {layer.bits for layer in result.layers} == {8}
        ensure_right(case, found, REQUIRED_SQNR_DB)


@pytest.mark.usefixtures("weights_of_any_size")
@pytest.mark.parametrize("name", [name for name, reason in REFUSED.items() if reason == NORM])
def test_that_batch_normalization_is_folded_into_a_convolution_before_it(name: str, tmp_path: Path) -> None:
    case = behind_identity(cases()[name])
    opened = open_model(save_model(case.model, tmp_path))
    assert [node.op_type for node in opened.graph] == ["Conv"]
    ensure_right(case, run_model(ir.to_proto(opened.graph_model).SerializeToString(), case.feeds), 100.0)
    ensure_right(case, convert_case(case, tmp_path, None)[1], REQUIRED_SQNR_DB)


def behind_identity(case: Case) -> Case:
    """The model behind a 1×1 convolution that changes nothing."""
    ((name, value),) = case.feeds.items()
    changed = onnx.ModelProto()
    changed.CopyFrom(case.model)
    channels = value.shape[1]
    weight = np.eye(channels, dtype=np.float32).reshape(channels, channels, *[1] * (value.ndim - 2))
    changed.graph.initializer.append(numpy_helper.from_array(weight, "identity.weight"))
    changed.graph.node[0].input[0] = "identity"
    changed.graph.node.insert(0, helper.make_node("Conv", [name, "identity.weight"], ["identity"]))
    return Case(changed, case.feeds, case.expected)


@pytest.mark.usefixtures("weights_of_any_size")
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_that_a_listed_model_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    path = save_model(cases()[name].model, tmp_path)
    with pytest.raises(ModelError, match=r"has nothing to quantize: no .* was found in it"):
        open_model(path)


def test_that_every_operator_has_models_and_the_list_names_only_existing_ones() -> None:
    found = {node.op_type for case in cases().values() for node in case.model.graph.node}
    assert found >= set(OPERATORS)
    assert set(REFUSED) <= set(cases())
