"""Every plan that was measured: method, what it reached, how long it took, whether it was the best so far."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.recovery.report import RecoverStep
from engine.recovery.targets import Target, TargetKind
from gui.recover.store import Recovery
from gui.recover.texts import column_title, rung_sentence, step_title, target_sentence
from gui.result_table import Cell, ResultModel, ResultView, TableColumn, Tone
from gui.saving import TableSaver
from gui.session import Session
from gui.theme import Theme
from gui.units import format_db, format_signed

UNKNOWN = Cell("")


class StepsTable(QWidget):
    """Rows over `Recovery.steps`; a column without figures is not shown."""

    def __init__(self, session: Session, recovery: Recovery, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._recovery = session, recovery
        self.model = ResultModel(self._build_columns(), lambda: len(recovery.steps), theme, self)
        self.view = ResultView(self.model, "recover_steps", self)
        self.view.setAccessibleName(self.tr("Plans that were measured"))
        TableSaver(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)

    def _build_columns(self) -> list[TableColumn]:
        tr = self.tr
        return [
            TableColumn(tr("Method"), tr("What was added to the best plan until then"), self._method, is_text=True),
            TableColumn("", tr("Better than all before"), self._mark, is_text=True),
            self._figure_column(TargetKind.DROP),
            self._figure_column(TargetKind.PERPLEXITY),
            TableColumn(column_title(TargetKind.SQNR), target_sentence(TargetKind.SQNR), self._sqnr),
            TableColumn(tr("KL"), tr("KL divergence of the predictions from those of float, in nats"), self._kl),
            TableColumn(
                tr("Seconds"), tr("To convert and to measure; known: an earlier run had measured it"), self._time
            ),
        ]

    def _figure_column(self, kind: TargetKind) -> TableColumn:
        def cell(row: int) -> Cell:
            value = Target(kind, 0.0).reached(self._step(row).found)
            return UNKNOWN if value is None else Cell(format_signed(value, 2), self._tone(row), value=value)

        return TableColumn(column_title(kind), target_sentence(kind), cell)

    def _step(self, row: int) -> RecoverStep:
        return self._recovery.steps[row]

    def _tone(self, row: int) -> Tone:
        return Tone.PLAIN if self._step(row).is_best else Tone.DIM

    def _method(self, row: int) -> Cell:
        step = self._step(row)
        return Cell(step_title(step, self._session), self._tone(row), rung_sentence(step.rung))

    def _sqnr(self, row: int) -> Cell:
        value = self._step(row).found.sqnr_db
        return UNKNOWN if value is None else Cell(format_db(value, digits=2), self._tone(row), value=value)

    def _kl(self, row: int) -> Cell:
        value = self._step(row).found.kl
        return UNKNOWN if value is None else Cell(f"{value:.4f}", self._tone(row), value=value)

    def _time(self, row: int) -> Cell:
        seconds = self._step(row).seconds
        return Cell(f"{seconds:.1f}" if seconds else self.tr("known"), Tone.DIM, value=seconds)

    def _mark(self, row: int) -> Cell:
        step = self._step(row)
        if step is self._recovery.best:
            return Cell(self.tr("✓ best"), Tone.GOOD)
        return Cell(self.tr("better"), Tone.DIM) if step.is_best and row else UNKNOWN

    def refresh(self) -> None:
        """Show the steps anew."""
        self.model.refresh()
        for at in range(self.model.columnCount()):
            self.view.setColumnHidden(at, self.model.is_column_empty(at))
        if self._recovery.is_running:
            self.view.scrollToBottom()
        elif self._recovery.best is not None:
            row = self._recovery.place_of(self._recovery.best)
            self.view.scrollTo(self.view.model().index(row, 0))

    @property
    def selected(self) -> RecoverStep | None:
        """The selected step, the best one if none is."""
        row = self.view.current_row
        return self._recovery.steps[row] if 0 <= row < len(self._recovery.steps) else self._recovery.best

    @property
    def is_selected(self) -> bool:
        """Whether the user has selected a step."""
        return 0 <= self.view.current_row < len(self._recovery.steps)
