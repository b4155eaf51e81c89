"""Every operator of the table against onnx's own backend test models: the values that onnx says are right."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx.backend.test.case.node as node_cases
import onnx_ir as ir
import pytest
from onnx.backend.test.case.node import _NodeTestCases

from engine.errors import UnsupportedOperator
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.table import OPERATORS
from engine.torch_graph.tensors import to_tensor

# Slow to make, and of operators that have no torch form.
OTHER_MODULES = ("attention", "lppool", "image_decoder", "linear_attention", "affinegrid")
# Networks compute with these; torch has next to nothing for wider unsigned integers, none for strings.
DTYPES = frozenset({"float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"})

# Their cases hold what numpy has no dtype for; the next module tests them.
TESTED_ELSEWHERE = ("Cast", "CastLike", "Constant")
REFUSED: dict[str, Callable[[str], bool]] = {
    "training mode": lambda name: "train" in name and "zero_ratio" not in name,
    "the indices of the maxima": lambda name: name.startswith("test_maxpool_with_argmax"),
    "integers": lambda name: name == "test_maxpool_2d_uint8",
    "non-zero size": lambda name: name.startswith(("test_reduce_max_empty", "test_reduce_min_empty")),
    "the coordinates tf_crop_and_resize": lambda name: "tf_crop_and_resize" in name,
    "antialiasing": lambda name: name.endswith("antialias"),
    "a kept aspect ratio": lambda name: name.endswith(("nearest_not_larger", "nearest_not_smaller")),
    "the reduction": lambda name: name.startswith("test_scatternd_m"),
}


@cache
def cases() -> dict[str, dict[str, Any]]:
    """Single-node models by operator and name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx overflows casts and divides by zero on purpose
        for module in pkgutil.iter_modules(node_cases.__path__):
            if module.name not in OTHER_MODULES:
                importlib.import_module(f"{node_cases.__name__}.{module.name}")
    found: dict[str, dict[str, Any]] = {op: {} for op in OPERATORS}
    for item in _NodeTestCases:
        nodes = item.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in OPERATORS and not nodes[0].domain and has_plain_dtypes(item):
            found[nodes[0].op_type][item.name] = item
    return found


def has_plain_dtypes(item: Any) -> bool:
    arrays = [value for part in item.data_sets[0] for value in part if value is not None]
    return all(str(getattr(value, "dtype", "list")) in DTYPES for value in arrays)


def run_case(item: Any) -> list[npt.NDArray[Any]]:
    graph = TorchGraph(ir.from_proto(item.model).graph, [])
    names = [value.name for value in item.model.graph.input]
    pairs = zip(names, item.data_sets[0][0], strict=True)
    given = {name: to_tensor(np.array(value)) for name, value in pairs if value is not None}
    return [found.numpy() for found in graph.run(given, [value.name for value in item.model.graph.output])]


def ensure_right(item: Any) -> None:
    for expected, found in zip(item.data_sets[0][1], run_case(item), strict=True):
        is_half = expected.dtype == np.float16
        assert found.shape == expected.shape
        assert found.dtype == (np.float32 if is_half else expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=2e-3 if is_half else 1e-3, atol=2e-3 if is_half else 1e-5)


def refusal(name: str) -> str | None:
    return next((sentence for sentence, is_meant in REFUSED.items() if is_meant(name)), None)


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_that_an_operator_gives_what_onnx_expects(op: str) -> None:
    names = [name for name in cases()[op] if refusal(name) is None]
    for name in names:
        try:
            ensure_right(cases()[op][name])
        except (AssertionError, UnsupportedOperator) as error:
            raise AssertionError(f"{name}: {error}") from error
    assert names or op in TESTED_ELSEWHERE


@pytest.mark.parametrize("sentence", sorted(REFUSED))
def test_that_a_use_without_a_torch_form_is_refused_with_a_sentence(sentence: str) -> None:
    meant = [item for items in cases().values() for name, item in items.items() if refusal(name) == sentence]
    assert meant
    for item in meant:
        with pytest.raises(UnsupportedOperator, match=sentence) as refused:
            run_case(item)
        assert item.model.graph.node[0].op_type in str(refused.value)
