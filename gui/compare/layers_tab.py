"""Error of every layer's output, result beside result; the selection is that of the layer table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.requests.comparison import LayerError, LayerErrors
from gui.compare.jobs import CompareJobs
from gui.compare.layer_error_plot import LayerErrorPlot
from gui.compare.store import Comparisons
from gui.naming import named
from gui.result_table import NarrowHeader
from gui.saving import TableSaver, format_table
from gui.session import Session
from gui.theme import Theme
from gui.units import format_db, format_delta, join_sentences

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
SORT_ROLE = Role.UserRole
WIDEST_COLUMN = 140
ROW_HEIGHT = 26


class LayerErrorModel(QAbstractTableModel):
    """Rows are layers; columns the layer, the SQNR in every result, and with two results their difference."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme
        self.found: LayerErrors | None = None

    def show_errors(self, found: LayerErrors | None) -> None:
        """Show another measurement, or none."""
        self.beginResetModel()
        self.found = found
        self.endResetModel()

    @property
    def _has_difference(self) -> bool:
        return self.found is not None and len(self.found.results) == 2

    def _difference(self, row: int) -> float | None:
        assert self.found is not None
        one, other = self.found.layers[row].sqnr_db
        if one is None or other is None or math.isinf(one) or math.isinf(other):
            return None
        return other - one

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() or self.found is None else len(self.found.layers)

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        if parent.isValid() or self.found is None:
            return 0
        return 1 + len(self.found.results) + self._has_difference

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or self.found is None:
            return None
        if role == Role.TextAlignmentRole:
            return _alignment(section)
        if role not in (Role.DisplayRole, Role.ToolTipRole):
            return None
        if section == 0:
            return self.tr("Layer")
        if section <= len(self.found.results):
            return Path(self.found.results[section - 1]).stem
        if role == Role.ToolTipRole:
            first, second = (Path(path).stem for path in self.found.results)
            return self.tr("{second} minus {first}").format(first=first, second=second)
        return self.tr("B − A, dB")

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid() or self.found is None:
            return None
        layer, column = self.found.layers[index.row()], index.column()
        if role == Role.TextAlignmentRole:
            return _alignment(column)
        if column == 0:
            return layer.title if role in (Role.DisplayRole, Role.ToolTipRole, SORT_ROLE) else None
        is_difference = column > len(self.found.results)
        value = self._difference(index.row()) if is_difference else layer.sqnr_db[column - 1]
        if role == SORT_ROLE:
            return -math.inf if value is None else value
        if role == Role.DisplayRole:
            return format_db(value) if value is None or not is_difference else format_delta(value, 1)
        if role == Role.ForegroundRole and is_difference and value is not None and abs(value) >= 0.05:
            return self._theme.color("good" if value > 0 else "bad")
        if role == Role.ToolTipRole and value is None:
            return self._describe_gap(layer)
        return None

    def _describe_gap(self, layer: LayerError) -> str:
        if layer.body_of:
            text = self.tr("The layer runs inside {operator}, whose tensors cannot be read from outside.")
            return text.format(operator=layer.body_of)
        return self.tr("No tensor of this file could be matched with the layer's output.")


def _alignment(column: int) -> Qt.AlignmentFlag:
    return (Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter


class LayersTab(QWidget):
    """Table and curves of the layers' errors."""

    def __init__(
        self, session: Session, store: Comparisons, jobs: CompareJobs, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._store, self._jobs = session, store, jobs
        self.model = LayerErrorModel(theme, self)
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self.model)
        self._proxy.setSortRole(SORT_ROLE)
        self._view = self._build_view()
        self._hint = named(QLabel(wordWrap=True), "layer_errors_hint")
        self._hint.setProperty("role", "dim")
        self._button = named(QPushButton(self.tr("Compare layers")), "compare_layers_button")
        self._button.setToolTip(
            self.tr("Run float and the ticked results on a few samples, and compare every layer's output")
        )
        self._button.clicked.connect(jobs.compare_layers)
        self._plot = LayerErrorPlot(theme, self)
        self._build_layout()
        session.selection_changed.connect(self._mark)
        store.changed.connect(self._refresh)
        jobs.runner.job_started.connect(self._update_button)
        jobs.runner.job_finished.connect(self._update_button)
        session.data_changed.connect(self._update_button)
        self._refresh()

    def _build_view(self) -> QTableView:
        view = named(_CopyTable(self), "layer_errors_table")
        view.setAccessibleName(self.tr("Errors of the layers"))
        view.setModel(self._proxy)
        TableSaver(view)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = NarrowHeader(view)
        view.setHorizontalHeader(header)
        header.setMaximumSectionSize(WIDEST_COLUMN)
        header.setTextElideMode(Qt.TextElideMode.ElideLeft)  # names of results differ at their ends
        view.setSortingEnabled(True)
        view.selectionModel().currentRowChanged.connect(self._on_current)
        return view

    def _build_layout(self) -> None:
        bar = QHBoxLayout()
        bar.addWidget(self._hint, 1)
        bar.addWidget(self._button)
        both = QHBoxLayout()
        both.addWidget(self._view, 1)
        both.addWidget(self._plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(bar)
        layout.addLayout(both, 1)

    def _refresh(self) -> None:
        self._update_button()
        found = self._store.layer_errors
        if found is not self.model.found:
            self.model.show_errors(found)
            self._plot.show_errors(found, [subject.path for subject in self._store.subjects])
        self._view.setVisible(found is not None)
        self._plot.setVisible(found is not None)
        self._hint.setText(self._describe(found))
        self._mark(self._session.selected)

    def _describe(self, found: LayerErrors | None) -> str:
        if found is None:
            return self.tr("Not compared yet: where the error of each ticked result arises, layer by layer.")
        text = self.tr("SQNR of every layer's output against float in dB, %n samples.", "", found.samples)
        missing = sum(value is None for layer in found.layers if not layer.body_of for value in layer.sqnr_db)
        if missing:
            text = join_sentences(text, self.tr("Outputs that could not be matched: {n}.").format(n=missing))
        inside = sum(bool(layer.body_of) for layer in found.layers)
        if inside:
            hidden = self.tr("Layers inside If, Loop or Scan, which cannot be read: {n}.").format(n=inside)
            text = join_sentences(text, hidden)
        return text

    def _update_button(self) -> None:
        has_data = self._session.data is not None
        self._button.setEnabled(has_data and bool(self._store.results) and not self._jobs.runner.is_busy)

    def _mark(self, name: str) -> None:
        """Show the layer that is selected in the window."""
        found = self.model.found
        names = [layer.layer for layer in found.layers] if found else []
        row = names.index(name) if name in names else None
        self._plot.mark(row)
        if row is None:
            return
        index = self._proxy.mapFromSource(self.model.index(row, 0))
        if self._view.currentIndex().row() != index.row():
            self._view.setCurrentIndex(index)

    def _on_current(self, current: QModelIndex) -> None:
        found = self.model.found
        row = self._proxy.mapToSource(current).row()
        if found is not None and row >= 0 and self._view.hasFocus():
            self._session.select(found.layers[row].layer)


class _CopyTable(QTableView):
    """Ctrl+C copies the whole table as tab-separated text."""

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not event.matches(QKeySequence.StandardKey.Copy):
            super().keyPressEvent(event)
            return
        QGuiApplication.clipboard().setText(format_table(self, "\t"))
        event.accept()
