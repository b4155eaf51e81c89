"""Pictures and tables from the pages, as files and on the clipboard."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pyqtgraph as pg
import pytest
from PySide6.QtGui import QGuiApplication, QImage, QStandardItem, QStandardItemModel
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QMessageBox, QTableView
from pytestqt.qtbot import QtBot

from engine.sensitivity.matrix import SensitivityRow
from gui.main_window import MainWindow
from gui.saving import PlotSaver, TableSaver


@pytest.fixture
def saver(qtbot: QtBot) -> PlotSaver:
    """Of a plot with two curves."""
    plot = pg.PlotWidget(labels={"bottom": "size", "left": "SQNR"})
    plot.setObjectName("plot")
    plot.resize(300, 200)
    plot.plot([1.0, 2.0], [3.0, 4.5], name="front")
    plot.plot([1.5], [2.5], name="plans", pen=None, symbol="o")
    qtbot.addWidget(plot)
    return PlotSaver(plot)


def test_that_a_picture_is_saved_in_each_kind(saver: PlotSaver, tmp_path: Path) -> None:
    for suffix in ("png", "svg", "csv"):
        saver.save(str(tmp_path / f"plot.{suffix}"))
    picture = QImage(str(tmp_path / "plot.png"))
    assert picture.width() == 600
    colors = {picture.pixel(x, y) for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)}
    assert len(colors) > 2
    assert QSvgRenderer(str(tmp_path / "plot.svg")).isValid()
    with (tmp_path / "plot.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["series", "size", "SQNR"],
        ["front", "1.0", "3.0"],
        ["front", "2.0", "4.5"],
        ["plans", "1.5", "2.5"],
    ]
    assert len(list(tmp_path.glob("*plot.*"))) == 3


def test_that_a_picture_is_copied(saver: PlotSaver) -> None:
    saver.copy()
    assert QGuiApplication.clipboard().image().width() == 600


def test_that_a_folder_that_is_not_there_is_said_and_leaves_nothing(saver: PlotSaver, tmp_path: Path) -> None:
    plot = saver.parent()
    assert isinstance(plot, pg.PlotWidget)
    saver.save(str(tmp_path / "no" / "plot.csv"))
    saver.save(str(tmp_path / "plot.bmp"))
    left = [path.name for path in tmp_path.iterdir()]
    texts = [box.text() for box in plot.findChildren(QMessageBox)]
    assert len(texts) == 2
    assert "Cannot write" in texts[0]
    assert "must end in .png" in texts[1]
    assert not [name for name in left if "plot" in name]


def test_that_the_table_of_layers_is_saved_as_it_is_shown(
    loaded_window: MainWindow, make_row: Callable[[str], SensitivityRow], tmp_path: Path
) -> None:
    window = loaded_window
    for layer in window.session.layers:
        window.session.add_rows([make_row(layer.name)])
    window.session.assign_bits(["conv2"], 4)
    window.layers_page.filter.setText("layer2")
    (saver,) = window.layers_page.view.findChildren(TableSaver)
    saver.save(str(tmp_path / "layers.csv"))
    with (tmp_path / "layers.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["Layer"] for row in rows] == ["layer2.conv"]
    assert (rows[0]["8"], rows[0]["Bits"]) == ("44", "4")
    saver.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 2
    assert lines[1].split("\t")[0] == "layer2.conv"


def test_that_a_name_is_no_formula_in_a_spreadsheet(loaded_window: MainWindow) -> None:
    (saver,) = loaded_window.layers_page.view.findChildren(TableSaver)
    assert "conv" in saver.format_rows(",")
    assert "'=HYPERLINK(1)" in TableSaver(build_view(loaded_window)).format_rows(",")


def test_that_pages_offer_it_in_their_menus(loaded_window: MainWindow) -> None:
    names = {action.objectName() for action in loaded_window.layers_page.view.actions()}
    assert names == {"layers_save_table", "layers_copy_table", "action_copy_rows"}
    names = {action.objectName() for action in loaded_window.tradeoff_page.plot.actions()}
    assert names == {"tradeoff_plot_save_picture", "tradeoff_plot_copy_picture"}


def build_view(parent: MainWindow) -> QTableView:
    view = QTableView(parent)
    model = QStandardItemModel(view)
    model.appendRow([QStandardItem("=HYPERLINK(1)"), QStandardItem("-5.9")])
    view.setModel(model)
    return view
