"""The conversion matrix: what the probe table says is possible works, under every scheme; the rest is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import onnx
import pytest

from engine.errors import PlanError
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, refuse_layer_plan
from engine.probe import KINDS, PROBED_BITS, probe
from engine.probe_table import ProbeTable, reference_table, save_table
from engine.summary import LayerSummary
from tests.engine.conversion.cases import (
    CASES,
    Opened,
    convert_opened,
    ensure_computes_what_the_engine_says,
    open_with_data,
)
from tests.engine.models import open_built, plan_for

GRANULARITIES: tuple[Granularity, ...] = (PerTensor(), PerChannel(), PerGroup(7), PerGroup(16))
# Another case of the same kind differs in the shape of its data only, and gets the schemes that differ most.
VARIANTS = (
    "conv without bias", "conv strided", "conv auto_pad", "transposed", "gemm", "gemm without bias", "matmul",
    "matmul 3-D", "matmul 2-D with bias",
)  # fmt: skip
FEW = (
    (8, True, PerChannel()),
    (8, False, PerChannel()),
    (8, True, PerGroup(7)),
    (8, False, PerGroup(16)),
    (4, True, PerGroup(16)),
    (4, False, PerGroup(7)),
    (2, False, PerTensor()),
    (2, True, PerGroup(16)),
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeTable]:
    """This machine's, probed now and not timed; models that are opened heed it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        found = probe(JobContext(), is_timed=False)
        save_table(found)
        yield found


def schemes(case: str) -> Iterator[WeightScheme]:
    yield WeightScheme(16)
    every = FEW if case in VARIANTS else product((8, 4, 2), (True, False), GRANULARITIES)
    for bits, symmetric, granularity in every:
        yield WeightScheme(bits, symmetric, granularity)


def is_integer_expected(layer: LayerSummary, choice: LayerPlan) -> bool:
    return choice.kernel != Kernel.FLOAT or (layer.op == "Gather" and choice.weights.is_integer)


def ensure_converts(opened: Opened, choice: LayerPlan, output: Path) -> None:
    plan = plan_for(opened.model.summary, choice)
    result = convert_opened(opened, plan, output)
    is_standard = choice.kernel != Kernel.NBITS and "DynamicQuantizeLSTM" not in output.read_bytes().decode("latin-1")
    onnx.checker.check_model(str(output), full_check=is_standard)
    ensure_computes_what_the_engine_says(opened, plan, output)
    assert result.layers[0].is_integer == is_integer_expected(opened.layer, choice)
    assert result.file_bytes == output.stat().st_size
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)


def ensure_refused_by_name(opened: Opened, scheme: WeightScheme, kernel: Kernel, output: Path) -> None:
    if not scheme.is_integer:
        with pytest.raises(PlanError, match="float kernel only"):
            LayerPlan(scheme, kernel)
        return
    with pytest.raises(PlanError, match=r"Choose|Use|needs") as caught:
        convert_opened(opened, plan_for(opened.model.summary, LayerPlan(scheme, kernel)), output)
    assert opened.layer.title in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize("case", CASES)
def test_that_what_the_table_says_is_possible_converts_and_the_rest_is_refused(
    case: str, table: ProbeTable, tmp_path: Path
) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    output = tmp_path / "out.onnx"
    converted = set()
    for scheme, kernel in product(schemes(case), Kernel):
        cell = table.cell(opened.layer.kind, scheme.bits, kernel)
        try:
            if cell is None or not cell.runs or refuse_layer_plan(opened.layer, LayerPlan(scheme, kernel)):
                ensure_refused_by_name(opened, scheme, kernel, output)
                continue
            ensure_converts(opened, LayerPlan(scheme, kernel), output)
            output.unlink()
        except Exception as error:
            error.add_note(f"{case}: {scheme} on {kernel}")
            raise
        converted.add((scheme.bits, kernel))
    assert converted == {(cell.bits, cell.kernel) for cell in table.cells if cell.kind == opened.layer.kind}


@pytest.mark.parametrize(
    ("case", "bits", "kernel"),
    [("conv", 8, Kernel.QLINEAR), ("matmul 3-D", 2, Kernel.DYNAMIC), ("lstm", 4, Kernel.DYNAMIC)],
)
def test_that_what_a_table_says_is_impossible_is_refused(
    case: str, bits: int, kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kind = open_built(CASES[case](), tmp_path).summary.layers[0].kind
    cells = tuple(
        dataclasses.replace(cell, runs=False, reason="It fails.")
        if (cell.kind, cell.bits, cell.kernel) == (kind, bits, kernel)
        else cell
        for cell in reference_table().cells
    )
    save_table(ProbeTable(describe_cpu(), describe_runtime(), cells))
    opened = open_with_data(CASES[case](), tmp_path)
    ensure_refused_by_name(opened, WeightScheme(bits), kernel, tmp_path / "out.onnx")
    ensure_converts(opened, LayerPlan(WeightScheme(bits), Kernel.FLOAT), tmp_path / "out.onnx")


def test_that_every_kind_is_probed_and_converted(table: ProbeTable, tmp_path: Path) -> None:
    kinds = {case: open_built(build(), tmp_path).summary.layers[0].kind for case, build in CASES.items()}
    assert set(kinds.values()) == {kind.name for kind in KINDS} == {cell.kind for cell in table.cells}
    assert set(kinds.values()) == {kind for case, kind in kinds.items() if case not in VARIANTS}


def test_that_every_offered_kernel_runs_where_it_should(table: ProbeTable) -> None:
    assert [cell for cell in table.cells if not (cell.runs and cell.is_on_kernel)] == []


def test_that_the_table_that_ships_says_what_this_runtime_does(table: ProbeTable) -> None:
    shipped = reference_table()
    rows = [[(cell.kind, cell.bits, cell.kernel, cell.runs) for cell in item.cells] for item in (table, shipped)]
    assert rows[0] == rows[1]
    assert {cell.bits for cell in shipped.cells} == set(PROBED_BITS)
    assert all(cell.speedup for cell in shipped.cells if cell.runs)
