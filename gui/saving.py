"""Pictures of plots and contents of tables as files, from a menu at the plot or table (right button, or Menu key)."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, QObject, Qt
from PySide6.QtGui import QAction, QGuiApplication, QPainter
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QMessageBox, QWidget

from gui.naming import named

if TYPE_CHECKING:  # tables are saved, too, by pages that have no plot
    import pyqtgraph as pg
    from pyqtgraph.exporters import ImageExporter

PICTURE_SCALE = 2
"""Pixels of a saved picture per pixel on the screen."""


class _Saver(QObject):
    """Actions in the menu of one widget, and files for what it shows."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget

    def _offer(self, kind: str, text: str, triggered: Callable[[], None]) -> None:
        """Add an action to the widget's menu."""
        action = named(QAction(text, self._widget), f"{self._widget.objectName()}_{kind}")
        action.triggered.connect(lambda _checked=False: triggered())
        self._widget.addAction(action)
        self._widget.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def _ask_for_file(self, title: str, kinds: str, chosen: Callable[[str], None]) -> None:
        dialog = QFileDialog(self._widget, title, str(Path.home()), kinds)
        dialog.setObjectName("save_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(_suffix_of(kinds))
        dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(_suffix_of(kind)))
        dialog.fileSelected.connect(chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _write(self, target: Path, write: Callable[[Path], object]) -> None:
        """Write under another name first, so that nothing half-written gets the name."""
        part = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
        try:
            write(part)
            os.replace(part, target)
        except OSError as error:
            text = self.tr("Cannot write {path}: {reason}. Choose another folder.")
            self._complain(text.format(path=target, reason=error.strerror or error))
        finally:
            part.unlink(missing_ok=True)

    def _complain(self, text: str) -> None:
        window = self._widget.window()
        box = QMessageBox(QMessageBox.Icon.Critical, window.windowTitle(), text, parent=window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()


class PlotSaver(_Saver):
    """Offers to save or copy the picture of one plot; made once per plot, which keeps it."""

    def __init__(self, plot: pg.PlotWidget) -> None:
        super().__init__(plot)
        self._plot = plot
        self._offer("save_picture", self.tr("Save picture…"), self._ask)
        self._offer("copy_picture", self.tr("Copy picture"), self.copy)

    def copy(self) -> None:
        """Put the picture on the clipboard."""
        self._image_exporter().export(copy=True)

    def save(self, path: str) -> None:
        """Write the picture, .png or .svg, or the curves' figures, .csv; a box says why if that fails."""
        target = Path(path)
        kinds: dict[str, Callable[[Path], object]] = {
            ".png": lambda part: self._image_exporter().export(str(part)),
            ".svg": self._draw_svg,
            ".csv": lambda part: part.write_text(self.format_curves(), encoding="utf-8-sig", newline=""),
        }
        if target.suffix.lower() not in kinds:
            self._complain(self.tr("The name must end in .png, .svg or .csv. Choose another name."))
            return
        self._write(target, kinds[target.suffix.lower()])

    def format_curves(self) -> str:
        """CSV with a line per point of every curve and every set of marks; the axes name the columns."""
        import pyqtgraph as pg

        item = self._plot.getPlotItem()
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(["series", item.getAxis("bottom").labelText or "x", item.getAxis("left").labelText or "y"])
        kinds = (pg.PlotDataItem, pg.PlotCurveItem, pg.ScatterPlotItem)
        drawn = [curve for curve in item.items if isinstance(curve, kinds) and curve.isVisible()]
        for number, curve in enumerate(drawn, start=1):
            x, y = curve.getData()
            if x is not None and y is not None:
                name = curve.name() or number
                writer.writerows((name, float(at), float(value)) for at, value in zip(x, y, strict=False))
        return stream.getvalue()

    def _draw_svg(self, path: Path) -> None:
        """By Qt itself: pyqtgraph's exporter stumbles over paths that have a space between commands."""
        from PySide6.QtSvg import QSvgGenerator

        generator = QSvgGenerator()
        generator.setFileName(str(path))
        generator.setSize(self._plot.size())
        generator.setViewBox(self._plot.rect())
        generator.setTitle(self._plot.accessibleName())
        painter = QPainter(generator)
        self._plot.render(painter)
        painter.end()

    def _image_exporter(self) -> ImageExporter:
        from pyqtgraph.exporters import ImageExporter

        exporter = ImageExporter(self._plot.getPlotItem())
        exporter.parameters()["width"] = PICTURE_SCALE * self._plot.width()
        return exporter

    def _ask(self) -> None:
        kinds = self.tr("PNG picture (*.png);;SVG drawing (*.svg);;Figures as a table (*.csv)")
        self._ask_for_file(self.tr("Save picture"), kinds, self.save)


class TableSaver(_Saver):
    """Offers to save or copy one table as it is shown: its order, its filter; made once per table, which keeps it."""

    def __init__(self, view: QAbstractItemView, always: Collection[int] = ()) -> None:
        """Add the actions.

        Args:
            always: columns that are saved also while they are hidden.
        """
        super().__init__(view)
        self._view = view
        self._always = frozenset(always)
        self._offer("save_table", self.tr("Save table…"), self._ask)
        self._offer("copy_table", self.tr("Copy table"), self.copy)

    def copy(self, rows: Sequence[int] | None = None) -> None:
        """Put these rows, by default all, on the clipboard, separated by tabs, as spreadsheets take them."""
        QGuiApplication.clipboard().setText(self.format_rows("\t", rows))

    def save(self, path: str) -> None:
        """Write all rows as CSV; a box says why if that fails."""
        text = self.format_rows(",")
        # The mark at the start tells spreadsheets that it is UTF-8.
        self._write(Path(path), lambda part: part.write_text(text, encoding="utf-8-sig", newline=""))

    def format_rows(self, delimiter: str, rows: Sequence[int] | None = None) -> str:
        """Header and rows, by default all, as they are shown, hidden columns left out."""
        return format_table(self._view, delimiter, rows, self._always)

    def _ask(self) -> None:
        self._ask_for_file(self.tr("Save table"), self.tr("Table (*.csv)"), self.save)


def format_table(
    view: QAbstractItemView, delimiter: str, rows: Sequence[int] | None = None, always: Collection[int] = ()
) -> str:
    """Header and rows, by default all, as a view shows them.

    Args:
        always: columns that are there even if they are hidden.
    """
    model = view.model()
    shown = [column for column in range(model.columnCount()) if column in always or not _is_hidden(view, column)]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(_title(model, column) for column in shown)
    for row in range(model.rowCount()) if rows is None else rows:
        writer.writerow(_as_text(str(model.index(row, column).data() or "")) for column in shown)
    return stream.getvalue()


def _title(model: QAbstractItemModel, column: int) -> str:
    """The header, or what screen readers are told where it is empty."""
    across = Qt.Orientation.Horizontal
    text = model.headerData(column, across) or model.headerData(column, across, Qt.ItemDataRole.AccessibleTextRole)
    return _as_text(str(text or ""))


def _is_hidden(view: QAbstractItemView, column: int) -> bool:
    hidden = getattr(view, "isColumnHidden", None)
    return bool(hidden(column)) if hidden is not None else False


def _as_text(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula: names come from model files."""
    is_formula = cell[:1] in ("=", "@", "\t", "\r") or (cell[:1] in ("+", "-") and not cell[1:2].isdigit())
    return f"'{cell}" if is_formula else cell


def _suffix_of(kinds: str) -> str:
    """Of the first kind of file: png."""
    return kinds.partition("*.")[2].partition(")")[0]
