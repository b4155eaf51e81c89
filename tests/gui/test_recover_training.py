"""Block reconstruction on the Recover page: curves of the block in training, and what became of blocks and layers."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import Rounding
from engine.recovery.targets import Rung
from engine.requests.conversion import (
    BlockPoint,
    BlockReconstruction,
    Change,
    DistillationPoint,
    LayerChange,
    LayerRounding,
)
from gui.main_window import MainWindow
from gui.recover.figures import figure_of, newest_first
from tests.gui.conftest import JOB_MS
from tests.gui.test_main_window import finish_jobs
from tests.gui.test_recover import _own_cache, recover_window, rows_of, start, text_of  # noqa: F401 - fixtures

TRAINED = ("head.conv", "head.fc")


def test_that_blocks_in_training_are_seen_live_and_what_became_of_them_stays(
    recover_window: MainWindow,  # noqa: F811
    qtbot: QtBot,
) -> None:
    window, session, recovery = recover_window, recover_window.session, recover_window.recovery
    session.assign_bits([layer.name for layer in session.layers if layer.title not in TRAINED], 32)  # so it is quick
    for rung in (Rung.GPTQ, Rung.RECONSTRUCT):
        box = window.findChild(QCheckBox, f"rung_{rung}")
        assert box is not None
        box.setChecked(rung == Rung.RECONSTRUCT)
    plot, titles = window.recover_page.training_plot, set[str]()
    recovery.training_changed.connect(lambda: titles.add(text_of(window, "recover_training_title")))
    assert plot.isHidden()
    start(window)
    with qtbot.waitSignal(recovery.finished, timeout=JOB_MS):
        qtbot.waitUntil(lambda: len(recovery.training.block_points) > 2, timeout=JOB_MS)
        assert plot.isVisible()
        points = recovery.training.block_points
        assert plot.plot.getPlotItem().getAxis("bottom").labelText == "steps of the block"
        steps, losses = plot.held_out.getData()
        judged = [(point.step, point.held_out_loss) for point in points if point.held_out_loss is not None]
        assert list(zip(steps.tolist(), losses.tolist(), strict=True)) == judged
        assert plot.start.value() == points[0].held_out_loss
        assert len(plot.learnt_from.getData()[0]) == len(points) - 1
        assert "Held-out error" in text_of(window, "recover_training_state")
    finish_jobs(window, qtbot)

    assert "Block 5 of 5: head.conv, head.fc" in titles
    blocks = recovery.training_of(recovery.steps[1]).blocks
    assert [block.block for block in blocks] == [4]
    better = sum(block.loss < block.start_loss for block in blocks)
    window.recover_page.steps.view.select_row(1)
    assert f"{better} closer to float, {1 - better} as before" in text_of(window, "recover_training_state")
    assert plot.isVisible()
    plot.plot  # noqa: B018 - draws
    drawn = plot.dots
    places = [(point.pos().x(), point.pos().y()) for point in drawn.points()]
    assert places == [(block.block + 1, pytest.approx(100 * block.loss / block.start_loss)) for block in blocks]
    rows = rows_of(window, "recover_layers")
    assert [row[:2] for row in rows] == [[title, "Block reconstruction"] for title in TRAINED]
    assert text_of(window, "recover_layers_title") == "SQNR of the layers, in dB: Block reconstruction"
    window.recover_page.steps.view.select_row(0)
    assert plot.isHidden()


def block_point(block: int, step: int, held_out: float | None) -> BlockPoint:
    return BlockPoint(block, 3, ("unknown",), step, 100, 0.4, held_out, is_best=held_out is not None)


def test_that_a_block_is_said_to_be_kept_or_left_and_another_one_begins_a_new_curve(
    loaded_window: MainWindow,
) -> None:
    recovery, plot = loaded_window.recovery, loaded_window.recover_page.training_plot
    for step, held_out in ((0, 0.5), (10, None), (25, 0.25)):
        recovery.take(block_point(0, step, held_out))
    assert text_of(loaded_window, "recover_training_title") == "Block 1 of 3: unknown"
    assert text_of(loaded_window, "recover_training_state") == "Held-out error 0.5 → 0.25 at best."
    recovery.take(BlockReconstruction(0, 3, ("unknown",), 0.5, 0.25, 1.0))
    assert "Kept. Blocks done: 1 closer to float, 0 as before" in text_of(loaded_window, "recover_training_state")
    recovery.take(block_point(1, 0, 0.125))
    plot.plot  # noqa: B018 - draws
    assert plot.held_out.getData()[0].tolist() == [0]
    recovery.take(BlockReconstruction(1, 3, ("unknown",), 0.125, 0.125, 1.0))
    assert "Left as it was." in text_of(loaded_window, "recover_training_state")
    assert "1 closer to float, 1 as before" in text_of(loaded_window, "recover_training_state")

    recovery.take(DistillationPoint(0, 20, 3.0, 3.0, True, 0.0))
    assert text_of(loaded_window, "recover_training_title") == "Distillation: step 0 of 20"
    assert plot.plot.getPlotItem().getAxis("bottom").labelText == "steps of distillation"
    assert plot.held_out.getData()[1].tolist() == [3.0]
    recovery.take(block_point(0, 0, 0.5))
    assert len(recovery.training.blocks) == 0, "another training of the same blocks"


def test_that_the_layers_of_the_method_in_question_stand_above_the_others() -> None:
    figures = [
        figure_of(LayerChange("a", Change.EQUALIZE, 1.0, 2.0)),
        figure_of(LayerRounding("a", Rounding.GPTQ, 3.0, 4.0)),
        figure_of(LayerRounding("b", Rounding.NEAREST, 3.0, 3.0)),
        figure_of(LayerChange("a", Change.RECONSTRUCT, 5.0, 6.0)),
    ]
    assert [item.before for item in newest_first(figures)] == [5.0, 3.0, 3.0, 1.0]
    assert [item.before for item in newest_first(figures, Rung.EQUALIZE)] == [1.0, 5.0, 3.0, 3.0]
    assert [item.layer for item in newest_first(figures, Rung.GPTQ)] == ["a", "b", "a", "a"]
    assert newest_first(figures, Rung.DISTILL) == newest_first(figures)


def test_that_a_row_of_a_layer_with_several_methods_stays_selected(loaded_window: MainWindow) -> None:
    window, session, page = loaded_window, loaded_window.session, loaded_window.recover_page
    name = session.layers[1].name
    for layer in (session.layers[0].name, name):
        window.recovery.take(LayerRounding(layer, Rounding.GPTQ, 5.0, 9.0))
        window.recovery.take(LayerChange(layer, Change.RECONSTRUCT, 9.0, 10.0))
    window.recovery.changed.emit()
    table = page.findChild(type(page.steps.view), "recover_layers")
    assert table is not None
    assert [row[1] for row in rows_of(window, "recover_layers")] == ["Block reconstruction"] * 2 + ["GPTQ"] * 2
    table.select_row(3)
    assert session.selected == name
    assert table.current_row == 3
    session.select(session.layers[0].name)
    assert table.current_row == 0
