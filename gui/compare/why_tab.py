"""Why a result is not faster here: findings with a remedy each, and time by operator before and after."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.bottlenecks.report import PLAN_REMEDIES, Bottleneck, Bottlenecks, OperatorTime, SpeedRemedy, SpeedRemedyKind
from gui.compare.jobs import CompareJobs
from gui.compare.plan_remedies import apply_remedy
from gui.compare.result_box import ResultBox
from gui.compare.store import Comparisons
from gui.compare.why_texts import describe_bottleneck, describe_remedy, describe_verdict
from gui.naming import named
from gui.saving import TableSaver
from gui.session import Session
from gui.units import NOTHING, format_us

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
ROW_HEIGHT = 26
SHOWN_LAYERS = 12


class OperatorModel(QAbstractTableModel):
    """Rows are operator types; columns time and number of nodes, float and result."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: tuple[OperatorTime, ...] = ()

    def show_rows(self, rows: tuple[OperatorTime, ...]) -> None:
        """Show another measurement."""
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else 3

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Role.TextAlignmentRole:
            return _alignment(section)
        titles = (self.tr("Operator"), self.tr("Float"), self.tr("Result"))
        return titles[section] if role == Role.DisplayRole else None

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Role.TextAlignmentRole:
            return _alignment(column)
        if role not in (Role.DisplayRole, Role.ToolTipRole):
            return None
        if column == 0:
            return row.operator
        us, nodes = (row.float_us, row.float_nodes) if column == 1 else (row.result_us, row.result_nodes)
        if role == Role.ToolTipRole:
            return self.tr("nodes: {n}").format(n=nodes)
        return self.tr("{time}  ({n})").format(time=format_us(us), n=nodes) if nodes else NOTHING


def _alignment(column: int) -> Qt.AlignmentFlag:
    return (Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter


class WhyTab(QWidget):
    """Findings over `Comparisons.bottlenecks`.

    Signals:
        threads_requested(int): a remedy asks for another number of threads.
    """

    threads_requested = Signal(int)

    def __init__(self, session: Session, store: Comparisons, jobs: CompareJobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._store, self._jobs = session, store, jobs
        self._threads = 1
        self._shown: Bottlenecks | None = None
        self._box = ResultBox(store, "why_result", self)
        self._verdict = named(QLabel(wordWrap=True), "why_verdict")
        self._button = named(QPushButton(self.tr("Find out")), "why_button")
        self._button.setToolTip(
            self.tr("Profile float and this result in turn, and read what ONNX Runtime made of them")
        )
        self._button.clicked.connect(self._find)
        self._area = named(QScrollArea(self), "why_findings")
        self._area.setWidgetResizable(True)
        self._area.setAccessibleName(self.tr("What costs time"))
        self._remedies: list[tuple[QPushButton, SpeedRemedy]] = []
        self._operators = OperatorModel(self)
        self._table = self._build_table()
        bar = QHBoxLayout()
        bar.addWidget(self._box)
        bar.addWidget(self._verdict, 1)
        bar.addWidget(self._button)
        both = QHBoxLayout()
        both.addWidget(self._area, 3)
        both.addWidget(self._table, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(bar)
        layout.addLayout(both, 1)
        self._box.chosen.connect(self._refresh)
        store.changed.connect(self._refresh)
        session.plan_changed.connect(self._on_plan_changed)
        jobs.runner.job_started.connect(self._update_button)
        jobs.runner.job_finished.connect(self._update_button)
        self._refresh()

    def _build_table(self) -> QTableView:
        table = named(QTableView(self), "operator_table")
        table.setAccessibleName(self.tr("Time by operator"))
        table.setModel(self._operators)
        TableSaver(table)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        return table

    def _find(self) -> None:
        subject = self._box.subject
        if subject is not None:
            self._jobs.find_bottlenecks(subject, self._threads)

    def set_threads(self, threads: int) -> None:
        """Profile with so many threads."""
        self._threads = threads

    def _update_button(self) -> None:
        self._button.setEnabled(self._box.subject is not None and not self._jobs.runner.is_busy)

    def _refresh(self) -> None:
        self._update_button()
        subject = self._box.subject
        found = self._store.bottlenecks.get(subject.path) if subject else None
        self._area.setVisible(found is not None)
        self._table.setVisible(found is not None)
        not_yet = self.tr("Not looked at yet: where its time goes, operator by operator, beside float.")
        self._verdict.setText(describe_verdict(found) if found else not_yet)
        if found is self._shown and found is not None:
            return
        self._shown = found
        self._remedies.clear()
        content = named(QWidget(), "why_content")
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(8)
        for finding in found.findings if found else ():
            assert found is not None
            rows.addWidget(self._build_finding(finding, found))
        if found is not None and not found.findings:
            rows.addWidget(QLabel(self.tr("Nothing stands out: the time goes where it has to.")))
        rows.addStretch(1)
        self._area.setWidget(content)
        self._operators.show_rows(found.operators if found else ())
        self._update_remedies()

    def _build_finding(self, finding: Bottleneck, report: Bottlenecks) -> QWidget:
        card = named(QFrame(), f"finding_{finding.kind}")
        card.setProperty("card", True)
        text = QLabel(describe_bottleneck(finding, report), wordWrap=True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(card)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addWidget(text)
        if finding.layers:
            names = [self._title(name) for name in finding.layers[:SHOWN_LAYERS]]
            more = " …" if len(finding.layers) > SHOWN_LAYERS else ""
            layers = QLabel(", ".join(names) + more, wordWrap=True)
            layers.setTextFormat(Qt.TextFormat.PlainText)
            layers.setProperty("role", "dim")
            layout.addWidget(layers)
        for remedy in finding.remedies:
            layout.addWidget(self._build_remedy(remedy))
        return card

    def _title(self, name: str) -> str:
        layer = self._session.layer(name)
        return layer.title if layer else name

    def _build_remedy(self, remedy: SpeedRemedy) -> QWidget:
        """A button where it can be done here, a sentence otherwise."""
        sentence = describe_remedy(remedy)
        if remedy.kind not in PLAN_REMEDIES | {SpeedRemedyKind.SET_THREADS}:
            label = QLabel("→ " + sentence, wordWrap=True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            return label
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        button = named(QPushButton(sentence.removesuffix(".")), f"speed_remedy_{remedy.kind}")
        button.clicked.connect(lambda: self._apply(remedy))
        row.addWidget(button)
        row.addStretch(1)
        self._remedies.append((button, remedy))
        return holder

    def _apply(self, remedy: SpeedRemedy) -> None:
        session = self._session
        if remedy.kind == SpeedRemedyKind.SET_THREADS:
            self.threads_requested.emit(remedy.threads)
        elif session.plan is not None and session.model is not None:
            plan = apply_remedy(session.plan, session.model, remedy)
            session.change_plan(plan, describe_remedy(remedy).removesuffix("."))

    def _on_plan_changed(self, _names: frozenset[str]) -> None:
        if self.isVisible():  # every remedy goes through all layers
            self._update_remedies()

    def _update_remedies(self) -> None:
        """Offer what would change the plan as it is now."""
        plan, model = self._session.plan, self._session.model
        for button, remedy in self._remedies:
            if remedy.kind == SpeedRemedyKind.SET_THREADS:
                button.setToolTip(self.tr("Sets the threads of the Benchmark page; find out again what it brings."))
                continue
            is_useful = plan is not None and model is not None and apply_remedy(plan, model, remedy) != plan
            button.setEnabled(is_useful)
            done = self.tr("The plan says so already: convert again to see what it brings.")
            undo = self.tr("Changes the plan; Ctrl+Z takes it back. Convert again to see what it brings.")
            button.setToolTip(undo if is_useful else done)

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._update_remedies()
