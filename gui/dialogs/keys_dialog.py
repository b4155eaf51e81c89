"""Everything that can be done by keyboard, F1: the actions by menu, and the keys of table and graph."""

from __future__ import annotations

import html
from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLineEdit, QTextBrowser, QVBoxLayout, QWidget

from gui.naming import named
from gui.palette import Command

SIZE = (760, 640)
Rows = list[tuple[str, str, str]]


class KeysDialog(QDialog):
    """One table per menu, and what a field at the top leaves of them."""

    def __init__(self, commands: Iterable[Command], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keys_dialog")
        self.setWindowTitle(self.tr("Keys"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sections: dict[str, Rows] = {}
        for command in commands:
            if not command.name:
                continue
            self._sections.setdefault(command.place, []).append((command.keys, command.title, command.tip))
        self._sections |= self._page_keys()
        self._field = named(QLineEdit(placeholderText=self.tr("Filter…")), "keys_filter")
        self._field.setAccessibleName(self.tr("Filter the keys"))
        self._field.setClearButtonEnabled(True)
        self._text = named(QTextBrowser(), "keys_text")
        self._text.setAccessibleName(self.tr("All keys"))
        self._text.setOpenLinks(False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.addWidget(self._field)
        layout.addWidget(self._text, 1)
        layout.addWidget(buttons)
        self._field.textChanged.connect(self._show)
        self.resize(*SIZE)
        self._show("")

    def _page_keys(self) -> dict[str, Rows]:
        """The keys that belong to no action."""
        tr = self.tr
        table: Rows = [
            (tr("↑ ↓ ← →"), tr("Move in the table"), ""),
            (tr("Shift, Ctrl + click or arrows"), tr("Select several layers"), ""),
            (tr("Ctrl+A"), tr("Select all layers that the filter shows"), ""),
            (tr("Enter, Space"), tr("Choose the cell: its bits, its lock, or open its list"), ""),
            (tr("F2, double click"), tr("Open the list of a cell: bits, kernel, scales, rounding"), ""),
            (tr("Menu key"), tr("Save or copy the table"), ""),
        ]
        graph: Rows = [
            (tr("↑ ↓ ← →"), tr("Go to the next node along the graph"), ""),
            (tr("Enter, Space, double click"), tr("Unfold or fold a group of nodes"), ""),
            (tr("+  −"), tr("Zoom"), tr("Ctrl and the wheel do so too")),
            (tr("0"), tr("Zoom to actual size"), ""),
            (tr("F, Home"), tr("Show the whole graph"), ""),
            (tr("Page up, Page down"), tr("Scroll by a page"), tr("The wheel and dragging scroll too")),
        ]
        window: Rows = [
            (tr("Tab, Shift+Tab"), tr("Go to the next or previous control"), ""),
            (tr("Ctrl+Tab, Ctrl+Shift+Tab"), tr("Go to the next or previous page"), ""),
            (tr("Alt and a letter"), tr("Open a menu"), ""),
        ]
        return {tr("Layers × bits"): table, tr("Graph"): graph, tr("Everywhere"): window}

    def _show(self, wanted: str) -> None:
        """The sections with the rows that contain the text."""
        parts = []
        for place, rows in self._sections.items():
            shown = [row for row in rows if wanted.lower() in f"{place} {' '.join(row)}".lower()]
            if shown:
                lines = "".join(_line(*row) for row in shown)
                parts.append(f"<h3>{html.escape(place)}</h3><table cellspacing='0' cellpadding='3'>{lines}</table>")
        nothing = html.escape(self.tr("No key is called that."))
        self._text.setHtml("".join(parts) or f"<p>{nothing}</p>")


def _line(keys: str, title: str, tip: str) -> str:
    cells = ((f"<b>{html.escape(keys)}</b>", 24), (html.escape(title), 32), (html.escape(tip), 44))
    return f"<tr>{''.join(_cell(cell, width) for cell, width in cells)}</tr>"


def _cell(text: str, percent: int) -> str:
    return f'<td width="{percent}%">{text}</td>'
