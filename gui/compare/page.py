"""The Compare page: the float model beside every result, and tabs that say where and why they differ."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSaveFile, QSignalBlocker, Qt
from PySide6.QtGui import QAction, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from gui.action_button import ActionButton
from gui.actions import Actions
from gui.compare.alert_texts import describe_alert
from gui.compare.alerts import find_alerts
from gui.compare.columns import MAIN, MEMORY, QUALITY, SPEED, CompareColumns
from gui.compare.delta_delegate import DeltaDelegate
from gui.compare.jobs import CompareJobs
from gui.compare.latency_plot import LatencyPlot
from gui.compare.layers_tab import LayersTab
from gui.compare.overview_tab import OverviewTab
from gui.compare.samples_tab import SamplesTab
from gui.compare.store import Comparisons, Subject
from gui.compare.thresholds import Thresholds
from gui.compare.throughput_plot import ThroughputPlot
from gui.compare.why_tab import WhyTab
from gui.dialogs.threshold_dialog import ThresholdDialog
from gui.naming import named
from gui.notify import Notifier
from gui.result_table import ResultModel, ResultView
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme

TABLE_HEIGHT = 150
BASELINE_WIDTH = 150
SHOWN_ALERTS = 4
SPLIT = (190, 400)


class ComparePage(QWidget):
    """Table, alerts and tabs over a `Comparisons`."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the window that it needs
        self,
        session: Session,
        store: Comparisons,
        jobs: CompareJobs,
        theme: Theme,
        settings: Settings,
        actions: Actions,
        notifier: Notifier,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("compare_page")
        self._session, self._store, self._theme = session, store, theme
        self._settings, self._notifier = settings, notifier
        self._columns = CompareColumns(store, self)
        self.model = ResultModel(
            self._columns.build(),
            lambda: len(store.subjects),
            theme,
            self,
            is_ticked=lambda row: store.is_ticked(store.subjects[row]),
        )
        self.model.tick_requested.connect(self._on_tick)
        self.view = self._build_view()
        self._hint = named(QLabel(wordWrap=True), "compare_hint")
        self._hint.setProperty("role", "dim")
        self._alerts = named(QLabel(wordWrap=True), "compare_alerts")
        self._alerts.setProperty("role", "problem")
        self._alerts.setTextFormat(Qt.TextFormat.PlainText)
        self._alerts.setAccessibleName(self.tr("Alerts"))
        self._baseline = self._build_baseline_box()
        self._groups = self._build_group_box()
        self._latency = LatencyPlot(theme, self)
        self._throughput = ThroughputPlot(theme, self)
        self.layers_tab = LayersTab(session, store, jobs, theme, self)
        self.samples_tab = SamplesTab(session, store, jobs, theme, self)
        self.why_tab = WhyTab(session, store, jobs, self)
        self.tabs = self._build_tabs()
        self._show_columns()  # those that are hidden need not be measured for the layout
        self._build_layout(actions)
        store.changed.connect(self._on_changed)
        session.data_changed.connect(self._on_changed)
        theme.changed.connect(self._show)

    # --- building ------------------------------------------------------------------------------

    def _build_view(self) -> ResultView:
        view = ResultView(self.model, "compare_table", self)
        view.setAccessibleName(self.tr("Float model and results"))
        view.setMinimumHeight(TABLE_HEIGHT)
        view.setItemDelegate(DeltaDelegate(self._theme, view))
        self._remove = named(QAction(self.tr("Take this file out of the table"), view), "action_remove_added")
        self._remove.setShortcut(QKeySequence.StandardKey.Delete)
        self._remove.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._remove.setToolTip(self.tr("The file itself stays where it is"))
        self._remove.triggered.connect(self._remove_added)
        view.addAction(self._remove)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        view.selectionModel().currentRowChanged.connect(self._update_remove)
        return view

    def _build_baseline_box(self) -> QComboBox:
        box = named(QComboBox(self), "compare_baseline")
        box.setAccessibleName(self.tr("Baseline"))
        box.setToolTip(self.tr("What the differences are against"))
        box.setFixedWidth(BASELINE_WIDTH)
        box.currentIndexChanged.connect(lambda _index: self._store.set_baseline(str(box.currentData() or "")))
        return box

    def _build_group_box(self) -> QComboBox:
        box = named(QComboBox(self), "compare_groups")
        box.setAccessibleName(self.tr("Figures"))
        box.setToolTip(self.tr("Which columns the table shows"))
        for text, groups in (
            (self.tr("Summary"), (MAIN,)),
            (self.tr("Quality"), (MAIN, QUALITY)),
            (self.tr("Speed"), (MAIN, SPEED)),
            (self.tr("Memory"), (MAIN, MEMORY)),
            (self.tr("All figures"), (MAIN, QUALITY, SPEED, MEMORY)),
        ):
            box.addItem(text, groups)
        box.currentIndexChanged.connect(self._show_columns)
        return box

    def _build_tabs(self) -> QTabWidget:
        tabs = named(QTabWidget(self, documentMode=True), "compare_tabs")
        tabs.addTab(OverviewTab(self._store, self._theme, self), self.tr("Size and quality"))
        tabs.addTab(self._latency, self.tr("Latency"))
        tabs.addTab(self._throughput, self.tr("Throughput"))
        tabs.addTab(self.layers_tab, self.tr("Error by layer"))
        tabs.addTab(self.samples_tab, self.tr("Changed samples"))
        tabs.addTab(self.why_tab, self.tr("Why is it not faster here?"))
        return tabs

    def _build_layout(self, actions: Actions) -> None:
        button = ActionButton(actions["action_compare"], "compare_button")
        button.setProperty("primary", True)
        label = QLabel(self.tr("Against"))
        label.setBuddy(self._baseline)
        bar = QHBoxLayout()
        bar.addWidget(self._hint, 1)
        bar.addWidget(label)
        bar.addWidget(self._baseline)
        bar.addWidget(self._groups)
        for action in ("action_add_result", "action_save_table"):
            self.view.addAction(actions[action])
        for name in ("action_add_result", "action_thresholds"):
            bar.addWidget(ActionButton(actions[name], f"{name}_button"))
        bar.addWidget(button)
        splitter = QSplitter(Qt.Orientation.Vertical, self, childrenCollapsible=False)
        splitter.addWidget(self.view)
        splitter.addWidget(self.tabs)
        splitter.setSizes(SPLIT)
        splitter.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._alerts)
        layout.addWidget(splitter, 1)

    # --- what the actions do -------------------------------------------------------------------

    def ask_for_file(self) -> None:
        """Ask for a model from elsewhere."""
        files = self.tr("Models (*.onnx)")
        dialog = QFileDialog(self, self.tr("Add a model file"), self._settings.open_folder, files)
        dialog.setObjectName("add_result_dialog")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.add_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def add_file(self, path: str) -> None:
        """Take a model from elsewhere into the table."""
        try:
            is_new = self._store.add_file(path)
        except OSError as error:
            text = self.tr("Cannot read {path}: {reason}. Choose another file.")
            self._notifier.error(text.format(path=path, reason=error.strerror))
            return
        if not is_new:
            self._notifier.info(self.tr("{name} is in the table already.").format(name=Path(path).name))

    def ask_for_thresholds(self) -> None:
        """Ask for the limits of the alerts."""
        dialog = ThresholdDialog(self._settings.thresholds, self)
        dialog.thresholds_requested.connect(self._set_thresholds)
        dialog.open()

    def ask_for_table_file(self) -> None:
        """Ask where the table goes as CSV."""
        dialog = QFileDialog(self, self.tr("Save the table"), self._settings.open_folder, self.tr("CSV files (*.csv)"))
        dialog.setObjectName("save_table_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(self.save_table)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def save_table(self, path: str) -> None:
        """Write the visible table as CSV."""
        file = QSaveFile(path)
        content = self.view.format_table(",").encode("utf-8-sig")
        is_written = file.open(QSaveFile.OpenModeFlag.WriteOnly) and file.write(content) == len(content)
        if not (is_written and file.commit()):
            text = self.tr("Cannot write {path}: {reason}. Choose another place.")
            self._notifier.error(text.format(path=path, reason=file.errorString()))

    def _set_thresholds(self, limits: Thresholds) -> None:
        self._settings.thresholds = limits
        self._show_alerts()

    def _on_tick(self, row: int, is_ticked: bool) -> None:  # noqa: FBT001 - a signal's argument
        self._store.set_ticked(self._store.subjects[row], is_ticked=is_ticked)

    @property
    def _selected_added(self) -> Subject | None:
        """The file from elsewhere that is selected in the table."""
        row, subjects = self.view.current_row, self._store.subjects
        return subjects[row] if 0 <= row < len(subjects) and subjects[row] in self._store.added else None

    def _update_remove(self) -> None:
        self._remove.setEnabled(self._selected_added is not None)

    def _remove_added(self) -> None:
        subject = self._selected_added
        if subject is not None:
            self._store.remove_file(subject.path)

    # --- showing -------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        """Nobody waits for columns and plots that are out of sight, and a benchmark changes them often."""
        if self.isVisible():
            self._show()
        else:
            self.model.count_rows()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show()

    def _show(self) -> None:
        self.model.refresh()
        self._show_columns()
        self._show_baselines()
        self._hint.setText(self._describe())
        self._show_alerts()
        self._show_plots()
        self._update_remove()

    def _show_columns(self) -> None:
        groups = self._groups.currentData()
        for at, column in enumerate(self.model.columns):
            self.view.setColumnHidden(at, column.group not in groups or self.model.is_column_empty(at))

    def _show_baselines(self) -> None:
        baseline = self._store.baseline
        with QSignalBlocker(self._baseline):
            self._baseline.clear()
            for subject in self._store.subjects:
                self._baseline.addItem(self.tr("float") if subject.is_float else subject.name, subject.path)
            self._baseline.setCurrentIndex(self._baseline.findData(baseline.path) if baseline else -1)

    def _show_alerts(self) -> None:
        alerts = find_alerts(self._store.ticked, self._settings.thresholds, _computer_bytes())
        lines = [f"⚠ {describe_alert(alert)}" for alert in alerts[:SHOWN_ALERTS]]
        if len(alerts) > SHOWN_ALERTS:
            lines.append(self.tr("More alerts: {n}.").format(n=len(alerts) - SHOWN_ALERTS))
        self._alerts.setText("\n".join(lines))
        self._alerts.setToolTip("\n".join(describe_alert(alert) for alert in alerts))
        self._alerts.setVisible(bool(lines))

    def _show_plots(self) -> None:
        shown = [(at, subject) for at, subject in enumerate(self._store.subjects) if self._store.is_ticked(subject)]
        self._latency.show_points(
            [(at, subject.name, subject.benchmark) for at, subject in shown if subject.benchmark is not None]
        )
        self._throughput.show_points(self._store.sweep, [(at, subject.path, subject.name) for at, subject in shown])

    def _describe(self) -> str:
        results = self._store.results
        if not results:
            return self.tr("No results yet. Convert makes the first one.")
        if self._session.evaluation_data is None:
            return self.tr("No evaluation data. Add some with Data, then compare.")
        pending = sum(subject.evaluation is None for subject in results)
        if pending:
            return self.tr("Results not evaluated yet: {n} of {total}.").format(n=pending, total=len(results))
        return self.tr("All results are evaluated. Ticked ones are in the plots.")


def _computer_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
