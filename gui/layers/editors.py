"""The lists that open in cells of the table: bits, kernel, scales, rounding."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QStyledItemDelegate, QStyleOptionViewItem, QWidget
from typing_extensions import override

from gui.layers.columns import Column, header
from gui.layers.order import LayerOrder
from gui.naming import named

Index = QModelIndex | QPersistentModelIndex


class ChoiceDelegate(QStyledItemDelegate):
    """A list of what the layer can take. Choosing closes the list; Escape changes nothing.

    Signals:
        chosen(LayerEdit): for the selected layers.
    """

    chosen = Signal(object)

    def __init__(self, order: LayerOrder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._order = order

    @override
    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        box = named(QComboBox(parent), "cell_editor")
        column = Column(index.column())
        box.setAccessibleName(header(column))
        for text, edit, is_now in self._order.options_at(index.row(), column):
            box.addItem(text, edit)
            if is_now:
                box.setCurrentIndex(box.count() - 1)
        box.activated.connect(lambda _index: self._choose(box))
        QTimer.singleShot(0, box, box.showPopup)
        return box

    def _choose(self, box: QComboBox) -> None:
        edit = box.currentData()
        self.closeEditor.emit(box)
        self.chosen.emit(edit)

    @override
    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """Wide enough for its texts, also where the column is not."""
        room, table = option.rect, editor.parentWidget()
        assert table is not None
        width = max(room.width(), editor.sizeHint().width())
        editor.setGeometry(min(room.left(), table.width() - width), room.top(), width, room.height())

    @override
    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """The list was set when it was made."""

    @override
    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Nothing: leaving the list is no choice."""
