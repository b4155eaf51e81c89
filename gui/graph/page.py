"""The Graph page: find, colours, groups, and the canvas, linked with the selection of the session."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QToolTip, QVBoxLayout, QWidget
from typing_extensions import override

from engine.graph_view.drawing import Box
from gui.graph.canvas import GraphCanvas
from gui.graph.colours import Quantity, Shade, build_colouring, quantity_title
from gui.graph.feed import GraphFeed
from gui.graph.legend import GraphLegend
from gui.graph.painting import Look
from gui.graph.texts import build_look, build_tool_tip
from gui.naming import named
from gui.session import Session
from gui.theme import Theme

FIND_WIDTHS = (116, 220)
BLANK = Look(Shade(), "", "", is_locked=False)


class GraphPage(QWidget):
    """Shows the session; the drawing is asked for when the page is looked at for the first time.

    Signals:
        skipped_locked(count): that many layers kept their bits because they are locked.
    """

    skipped_locked = Signal(int)

    def __init__(self, session: Session, feed: GraphFeed, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("graph_page")
        self._session = session
        self.feed = feed
        self.canvas = GraphCanvas(theme, self)
        self.legend = GraphLegend(session, theme, self)
        self._found: list[int] = []
        self._looks: list[Look] = []
        self._changed: set[str] | None = None
        self._is_stale = True
        self._colouring = build_colouring(session, Quantity.SENSITIVITY)
        self.find_field = named(QLineEdit(placeholderText=self.tr("Find a node… (Ctrl+F)")), "graph_find")
        self._count = named(QLabel(), "graph_found")
        self._count.setProperty("role", "dim")
        self.quantity = named(QComboBox(), "graph_colour")
        self._expand = self._build_button(
            "graph_expand", self.tr("Expand all"), self.tr("Show the nodes of all groups")
        )
        self._collapse = self._build_button(
            "graph_collapse", self.tr("Collapse all"), self.tr("Show every group as one box")
        )
        self._fit = self._build_button("graph_fit", self.tr("Fit"), self.tr("Show the whole graph (F)"))
        self._hint = named(QLabel(wordWrap=True), "graph_hint")
        self._hint.setProperty("role", "dim")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._build_layout()
        self._connect()
        self._show_drawing()

    def focus_find(self) -> None:
        """Put the cursor into the find field."""
        self.find_field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.find_field.selectAll()

    def selected_names(self) -> list[str]:
        """The layers of the chosen box: one, or all of a group."""
        scene, at = self.canvas.scene, self.canvas.current
        return list(scene.boxes[at].layers) if scene is not None and at >= 0 else []

    def assign(self, bits: int) -> None:
        """Give the layers of the chosen box these bits."""
        locked = self._session.assign_bits(self.selected_names(), bits)
        if locked:
            self.skipped_locked.emit(locked)

    def toggle_lock(self) -> None:
        """Lock or free the layers of the chosen box."""
        self._session.toggle_lock(self.selected_names())

    # --- building ------------------------------------------------------------------------------

    def _build_button(self, name: str, text: str, tip: str) -> QPushButton:
        button = named(QPushButton(text), name)
        button.setToolTip(tip)
        return button

    def _build_layout(self) -> None:
        self.find_field.setClearButtonEnabled(True)
        self.find_field.setAccessibleName(self.tr("Find a node"))
        self.find_field.setToolTip(self.tr("Mark nodes whose name or operator contains this; Enter goes on"))
        self.find_field.setMinimumWidth(FIND_WIDTHS[0])
        self.find_field.setMaximumWidth(FIND_WIDTHS[1])
        self.quantity.setAccessibleName(self.tr("Colour of the boxes"))
        self.quantity.setToolTip(self.tr("What the colours of the boxes say"))
        self.quantity.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        bar = QHBoxLayout()
        bar.addWidget(self.find_field, 1)
        bar.addWidget(self._count)
        bar.addWidget(self.quantity)
        for button in (self._expand, self._collapse, self._fit):
            bar.addWidget(button)
        bar.addStretch(1)
        bar.addWidget(self.legend)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 4)
        layout.addLayout(bar)
        layout.addWidget(self._hint, 1)
        layout.addWidget(self.canvas, 1)

    def _connect(self) -> None:
        session = self._session
        self._colour_timer = QTimer(self, singleShot=True, interval=0)
        self._colour_timer.timeout.connect(self._colour)
        session.plan_changed.connect(self._on_layers_changed)
        session.sensitivity_changed.connect(self._on_layers_changed)
        session.latencies_changed.connect(self._colour_later)
        session.metric_changed.connect(self._on_metric_changed)
        session.model_changed.connect(self._on_model_changed)
        session.selection_changed.connect(self.canvas.show_layer)
        self.feed.drawing_changed.connect(self._show_drawing)
        self.canvas.box_chosen.connect(self._on_box_chosen)
        self.canvas.group_toggled.connect(self._toggle_group)
        self.canvas.tip_wanted.connect(self._show_tip)
        self.quantity.activated.connect(lambda _index: self._on_quantity_chosen())
        self.find_field.textChanged.connect(self._search)
        self.find_field.returnPressed.connect(self._go_to_next)
        self._expand.clicked.connect(lambda: self.feed.show_groups(self._all_groups()))
        self._collapse.clicked.connect(lambda: self.feed.show_groups(frozenset()))
        self._fit.clicked.connect(self.canvas.fit)
        self._fill_quantities()

    # --- showing -------------------------------------------------------------------------------

    def _on_model_changed(self) -> None:
        self.find_field.clear()
        if self.isVisible():
            self.feed.show_groups(None)

    def _show_drawing(self) -> None:
        drawing = self.feed.current
        has_graph = drawing is not None and bool(drawing.boxes)
        self.canvas.show_drawing(drawing, self._session.selected)
        self._looks = [BLANK] * len(drawing.boxes) if drawing is not None else []
        self._hint.setText(self.feed.problem or self.tr("The graph is being laid out…"))
        self._hint.setVisible(not has_graph)
        self.canvas.setVisible(has_graph)
        groups = drawing.groups if drawing is not None else ()
        expanded = drawing.expanded if drawing is not None else frozenset()
        self._expand.setVisible(bool(groups))
        self._collapse.setVisible(bool(groups))
        self._expand.setEnabled(len(expanded) < len(groups))
        self._collapse.setEnabled(bool(expanded))
        self._fit.setEnabled(has_graph)
        self._changed = None
        self._colour()
        self._mark_found()

    def _fill_quantities(self) -> None:
        if not self.quantity.count():
            for quantity in Quantity:
                self.quantity.addItem("", quantity)
        for at in range(self.quantity.count()):
            self.quantity.setItemText(at, quantity_title(Quantity(self.quantity.itemData(at)), self._session))

    def _on_quantity_chosen(self) -> None:
        self._changed = None
        self._colour()

    def _on_metric_changed(self) -> None:
        self._fill_quantities()
        self._colour_later()

    def _on_layers_changed(self, names: Iterable[str]) -> None:
        """Only these boxes look different, unless the ends of the scale move with them."""
        if self._colouring.is_proportion or (self._changed is None and self._is_stale):
            self._colour_later()
        else:
            self._changed = (self._changed or set()).union(names)
            self._start_colouring()

    def _colour_later(self) -> None:
        """All boxes."""
        self._changed = None
        self._start_colouring()

    def _start_colouring(self) -> None:
        """Once for many changes, and only while somebody looks."""
        self._is_stale = True
        if self.isVisible():
            self._colour_timer.start()

    def _colour(self) -> None:
        changed, self._changed = self._changed, None
        self._is_stale = False
        self._colouring = build_colouring(self._session, Quantity(self.quantity.currentData()))
        self.legend.show_ends(self._colouring.ends)
        scene = self.canvas.scene
        if scene is not None:
            some = {scene.box_of_layer(name) for name in changed or ()} - {-1}
            for at in some if changed is not None else range(len(scene.boxes)):
                self._looks[at] = build_look(scene.boxes[at], self._session, self._colouring)
            self.canvas.show_looks(tuple(self._looks))

    def _show_tip(self, box: Box, place: QPoint) -> None:
        QToolTip.showText(place, build_tool_tip(box, self._session, self._colouring), self.canvas)

    # --- choosing ------------------------------------------------------------------------------

    def _on_box_chosen(self, box: Box) -> None:
        if box.layers and self._session.selected not in box.layers:
            self._session.select(box.layers[0])

    def _all_groups(self) -> frozenset[str]:
        return frozenset(self.feed.current.groups if self.feed.current is not None else ())

    def _toggle_group(self, name: str) -> None:
        if self.feed.current is not None:
            self.feed.show_groups(self.feed.current.expanded ^ {name})

    # --- finding -------------------------------------------------------------------------------

    def _search(self) -> None:
        """Mark what matches, and go to the first of it."""
        self._mark_found()
        if self._found:
            self.canvas.center_on(self._found[0])

    def _mark_found(self) -> None:
        text = self.find_field.text().strip()
        self._found = self.canvas.scene.find(text) if self.canvas.scene is not None else []
        self.canvas.show_found(self._found)
        self._show_count(self._found)

    def _show_count(self, found: Iterable[int]) -> None:
        count = len(list(found))
        self._count.setVisible(bool(self.find_field.text().strip()))
        self._count.setText(self.tr("%n found", "", count) if count else self.tr("nothing found"))

    def _go_to_next(self) -> None:
        if self._found:
            at = self.canvas.current
            self.canvas.center_on(
                self._found[(self._found.index(at) + 1) % len(self._found) if at in self._found else 0]
            )

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.feed.current is None and not self.feed.problem:
            self.feed.show_groups(None)
        if self._is_stale:
            self._colour()
        self.canvas.show_layer(self._session.selected)
