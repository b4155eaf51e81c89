"""The History page: every run of the project, with what can be done with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.errors import PlanError
from engine.plan import ensure_plan_fits
from engine.project.runs import Run, deletable_files
from gui.action_button import ActionButton
from gui.actions import RUN_ACTIONS, Actions
from gui.naming import named
from gui.notify import Notifier
from gui.project.history_model import MEASURED, Column, HistoryModel
from gui.saving import TableSaver
from gui.session import Session
from gui.theme import Theme

ROW_HEIGHT = 30
MODEL_WIDTHS = (150, 300)
SHOWN_FILES = 6


class HistoryPage(QWidget):
    """Table of `Session.history`. Nothing in it is ever overwritten; deleting asks first.

    Args:
        folder: gives the folder of the project's file, None while it has none.

    Signals:
        selection_changed: other runs are selected, or none.
    """

    selection_changed = Signal()

    def __init__(
        self,
        session: Session,
        theme: Theme,
        actions: Actions,
        notifier: Notifier,
        *,
        folder: Callable[[], Path | None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("history_page")
        self._session = session
        self._notifier = notifier
        self._folder = folder
        self._selected: list[str] = []
        self.model = HistoryModel(session, theme, self)
        self._view = self._build_view()
        self._hint = named(QLabel(wordWrap=True), "history_hint")
        self._hint.setProperty("role", "dim")
        self._build_layout(actions)
        actions.connect_all(
            {
                "action_run_plan": self._take_plan,
                "action_run_compare": self._toggle_compared,
                "action_run_pin": self._toggle_pinned,
                "action_run_note": self._edit_note,
                "action_run_delete": self._ask_to_delete,
            }
        )
        self.model.modelAboutToBeReset.connect(self._remember_selection)
        self.model.modelReset.connect(self._select_again)
        self.model.modelReset.connect(self._show)
        self.model.modelReset.connect(self._fit_names)
        self.model.dataChanged.connect(self._show)
        self._view.selectionModel().selectionChanged.connect(self.selection_changed)
        self._show()
        self._fit_names()

    @property
    def selected_runs(self) -> list[Run]:
        """The runs of the selected rows, the current one first."""
        current = self._view.currentIndex()
        rows = [index.row() for index in self._view.selectionModel().selectedRows()]
        rows.sort(key=lambda row: (row != current.row(), row))
        return [self.model.run(row) for row in rows]

    def _build_view(self) -> QTableView:
        view = named(QTableView(self), "history_table")
        view.setAccessibleName(self.tr("Runs of this project"))
        view.setModel(self.model)
        TableSaver(view)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(Column.MODEL, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(Column.NOTE, QHeaderView.ResizeMode.Stretch)
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        return view

    def _build_layout(self, actions: Actions) -> None:
        bar = QHBoxLayout()
        bar.addWidget(self._hint, 1)
        for name in RUN_ACTIONS:
            action = actions[name]
            self.addAction(action)
            bar.addWidget(ActionButton(action, f"history_{name}"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._view, 1)

    def _show(self) -> None:
        count = self.model.rowCount()
        empty = self.tr("No runs yet. Every conversion is kept here with its plan and what was measured on it.")
        for column in MEASURED:
            self._view.setColumnHidden(column, self.model.is_column_empty(column))
        self._hint.setText(self.tr("%n runs, none is ever overwritten", "", count) if count else empty)

    def _fit_names(self) -> None:
        least, most = MODEL_WIDTHS
        self._view.setColumnWidth(Column.MODEL, max(least, min(self._view.sizeHintForColumn(Column.MODEL), most)))

    def _remember_selection(self) -> None:
        self._selected = [run.id for run in self.selected_runs]

    def _select_again(self) -> None:
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for name in self._selected:
            row = self.model.row_of(name)
            if row >= 0:
                self._view.selectionModel().select(self.model.index(row, 0), flags)
        if self._selected and (row := self.model.row_of(self._selected[0])) >= 0:
            self._view.selectionModel().setCurrentIndex(
                self.model.index(row, Column.NUMBER), QItemSelectionModel.SelectionFlag.NoUpdate
            )
        self.selection_changed.emit()

    # --- actions -------------------------------------------------------------------------------

    def _take_plan(self) -> None:
        """Make the plan of the current run the plan, in one undoable step."""
        run, model = self.selected_runs[0], self._session.model
        try:
            if model is not None:
                ensure_plan_fits(run.plan, model)
        except PlanError as error:
            self._notifier.error(str(error))
            return
        self._session.change_plan(run.plan, self.tr("plan of run {number}").format(number=run.number), run.id)
        self._notifier.note(self.tr("The plan is that of run {number}.").format(number=run.number))

    def _toggle_compared(self) -> None:
        runs = self.selected_runs
        wanted = not all(run.is_compared for run in runs)
        missing = [run for run in runs if wanted and self.model.is_missing(run)]
        self._session.change_run(*(dataclasses.replace(run, is_compared=wanted) for run in runs if run not in missing))
        if missing:
            text = self.tr("{path} is not there any more, or it was changed. It cannot be compared.")
            self._notifier.error("\n".join(text.format(path=run.converted.output) for run in missing))

    def _toggle_pinned(self) -> None:
        runs = self.selected_runs
        wanted = not all(run.is_pinned for run in runs)
        self._session.change_run(*(dataclasses.replace(run, is_pinned=wanted) for run in runs))

    def _edit_note(self) -> None:
        row = self.model.row_of(self.selected_runs[0].id)
        index = self.model.index(row, Column.NOTE)
        self._view.setCurrentIndex(index)
        self._view.edit(index)

    def _ask_to_delete(self) -> None:
        runs, folder = self.selected_runs, self._folder()
        names = frozenset(run.id for run in runs)
        files = [path for run in runs for path in deletable_files(run, folder)] if folder else []
        numbers = ", ".join(str(run.number) for run in runs)
        text = self.tr("Delete from the history: run {numbers}? This cannot be undone.").format(numbers=numbers)
        choices: dict[str, Callable[[], None]] = {self.tr("Delete"): lambda: self._session.delete_runs(names)}
        if files:
            shown = [path.name for path in files[:SHOWN_FILES]] + (["…"] if len(files) > SHOWN_FILES else [])
            text += "\n" + self.tr("Its files lie in the folder of the project: {files}").format(files=", ".join(shown))
            choices[self.tr("Delete with files")] = lambda: self._delete_with_files(names, files)
        self._notifier.choose(text, choices)

    def _delete_with_files(self, names: frozenset[str], files: list[Path]) -> None:
        try:
            for path in files:
                path.unlink(missing_ok=True)
        except OSError as error:
            text = self.tr("Cannot delete {path}: {reason}. The run stays in the history.")
            self._notifier.error(text.format(path=error.filename, reason=error.strerror))
            self.model.check_files()
            return
        self._session.delete_runs(names)

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.model.check_files()
