"""Every plot and every table of figures offers to be saved."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from gui.main_window import MainWindow
from gui.plot_panel import PlotPanel

PLOTS = (
    "distribution_plot", "channel_ranges", "size_bars", "quality_bars", "latency_plot", "throughput_plot",
    "layer_error_plot", "tradeoff_plot",
)  # fmt: skip
TABLES = ("layers", "benchmark_table", "history_table", "layer_errors_table", "operator_table")


def test_that_all_of_them_can_be_saved(window: MainWindow) -> None:
    pages = (window.distributions_page, window.tradeoff_page, window.compare_page, window.benchmark_page)
    assert all((*pages, window.history_page))  # built when asked for
    assert all(panel.plot for panel in window.findChildren(PlotPanel))
    for name in (*PLOTS, *TABLES):
        kind = "save_picture" if name in PLOTS else "save_table"
        widgets = [widget for widget in window.findChildren(QWidget) if widget.objectName() == name]
        assert widgets, name
        for widget in widgets:
            assert f"{name}_{kind}" in [action.objectName() for action in widget.actions()], name
            assert widget.contextMenuPolicy() == Qt.ContextMenuPolicy.ActionsContextMenu, name
