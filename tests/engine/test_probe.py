"""The probe table: what it says of known operators, and how it is kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from engine.cli.program import run_program
from engine.errors import JobCancelled
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.numerics.schemes import Kernel, WeightScheme
from engine.plan import LayerPlan, PlanDefaults, choose_layer_plan, refuse_layer_plan
from engine.probe import KINDS, Kind, probe, probe_cached
from engine.probe_table import (
    ProbeCell,
    ProbeTable,
    current_table,
    load_table,
    reference_table,
    save_table,
    table_path,
)
from tests.engine.models import conv_chain, open_built

SMALL = (
    Kind("Conv 2-D", "Conv", (1, 16, 8, 8), ((16, 16, 3, 3),), (("pads", [1, 1, 1, 1]),)),
    Kind("MatMul", "MatMul", (1, 8, 64), ((64, 64),)),
    Kind("LSTM", "LSTM", (4, 1, 16), ((1, 64, 16), (1, 64, 16)), (("hidden_size", 16),)),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def table() -> ProbeTable:
    return probe(JobContext(), SMALL)


def test_that_every_bit_width_of_every_kernel_is_probed(table: ProbeTable) -> None:
    probed = {(cell.kind, cell.kernel): set() for cell in table.cells}  # type: ignore[var-annotated]
    for cell in table.cells:
        probed[cell.kind, cell.kernel].add(cell.bits)
    assert probed["Conv 2-D", Kernel.QLINEAR] == probed["MatMul", Kernel.NBITS] == {8, 4, 2}
    assert probed["LSTM", Kernel.DYNAMIC] == {8, 4, 2}
    assert probed["MatMul", Kernel.FLOAT] == {16, 8, 4, 2}
    assert ("Conv 2-D", Kernel.DYNAMIC) not in probed


def test_that_what_the_layer_table_offers_runs_on_its_kernel(table: ProbeTable) -> None:
    assert [cell for cell in table.cells if not (cell.runs and cell.is_on_kernel and (cell.speedup or 0) > 0)] == []


def test_that_cells_are_found_by_what_they_are(table: ProbeTable) -> None:
    cell = table.cell("Conv 2-D", 4, Kernel.QLINEAR)
    assert cell is not None
    assert (cell.kind, cell.bits, cell.kernel) == ("Conv 2-D", 4, Kernel.QLINEAR)
    assert table.cell("Conv 2-D", 4, Kernel.NBITS) is None


def test_that_kinds_have_unique_names() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_that_a_table_survives_the_cache_and_belongs_to_one_processor_and_runtime() -> None:
    cells = (ProbeCell("Conv", 8, Kernel.QLINEAR, runs=True, is_on_kernel=True, speedup=2.5),
             ProbeCell("Conv", 8, Kernel.NBITS, runs=False, reason="No."))  # fmt: skip
    table = ProbeTable("cpu", "runtime 1", cells)
    assert load_table("cpu", "runtime 1") is None
    assert save_table(table)
    assert load_table("cpu", "runtime 1") == table
    assert load_table("cpu", "runtime 2") is None
    assert load_table("other", "runtime 1") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}', '{"cells": 3}'])
def test_that_a_spoilt_cache_is_no_cache(text: str) -> None:
    path = table_path("cpu", "runtime")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert load_table("cpu", "runtime") is None


def test_that_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert not save_table(ProbeTable("cpu", "runtime", ()))


def test_that_probing_can_be_cancelled() -> None:
    context = JobContext()
    context.cancel()
    with pytest.raises(JobCancelled):
        probe(context, SMALL)


def test_that_the_command_reads_the_cache(
    table: ProbeTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = []

    def measure(context: JobContext) -> ProbeTable:
        measured.append(context)
        return table

    monkeypatch.setattr("engine.probe.probe", measure)
    assert probe_cached(JobContext()) == probe_cached(JobContext()) == table
    assert len(measured) == 1
    assert run_program(["probe", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cells"][0] == dataclasses.asdict(table.cells[0])
    assert run_program(["probe", "--fresh"]) == 0
    assert "MatMul" in capsys.readouterr().out
    assert len(measured) == 2


def here(*cells: ProbeCell) -> ProbeTable:
    return ProbeTable(describe_cpu(), describe_runtime(), cells)


def conv(bits: int, *, runs: bool = True, is_on_kernel: bool = True, speedup: float = 1.0) -> ProbeCell:
    return ProbeCell("Conv 2-D", bits, Kernel.QLINEAR, runs, is_on_kernel, speedup, "" if runs else "It fails.")


def test_that_layers_are_limited_by_the_table_of_this_machine_where_there_is_one(tmp_path: Path) -> None:
    proto = conv_chain(opset=21)
    assert not any(layer.limits for layer in open_built(proto, tmp_path).summary.layers)
    save_table(here(conv(8, speedup=0.6), conv(4, speedup=0.4), conv(2, runs=False)))
    summary = open_built(proto, tmp_path).summary
    first, second, head = summary.layers
    assert first.limits == second.limits
    assert not head.limits
    assert [(limit.bits, limit.is_refused) for limit in first.limits] == [(4, False), (2, True)]
    assert [choose_layer_plan(first, bits, PlanDefaults()).kernel for bits in (16, 8, 4, 2)] == [
        Kernel.FLOAT, Kernel.QLINEAR, Kernel.FLOAT, Kernel.FLOAT,
    ]  # fmt: skip
    assert any("2.5 times as long as float" in note and "at 4 bits" in note for note in summary.notes)


def test_that_what_is_slow_can_be_asked_for_and_what_does_not_run_cannot(tmp_path: Path) -> None:
    save_table(here(conv(8, is_on_kernel=False), conv(4, speedup=0.4), conv(2, runs=False)))
    layer = open_built(conv_chain(opset=21), tmp_path).summary.layers[0]
    asked = {bits: refuse_layer_plan(layer, LayerPlan(WeightScheme(bits), Kernel.QLINEAR)) for bits in (8, 4, 2)}
    assert asked[8] is asked[4] is None
    assert asked[2] is not None
    assert all(word in asked[2] for word in (layer.title, "qlinear", "2 bits", "It fails.", "Choose"))
    assert choose_layer_plan(layer, 8, PlanDefaults()).kernel == Kernel.FLOAT


def test_that_probing_forgets_what_an_earlier_probe_found() -> None:
    save_table(here(conv(8, runs=False)))
    cell = probe(JobContext(), SMALL[:1], is_timed=False).cell("Conv 2-D", 8, Kernel.QLINEAR)
    assert cell is not None
    assert cell.runs
    assert cell.speedup is None


def test_that_the_reference_serves_where_nothing_was_probed() -> None:
    assert current_table() == reference_table()
    save_table(here(conv(8)))
    assert current_table() == here(conv(8))
