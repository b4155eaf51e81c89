"""The samples that a result changed most: pictures with the prediction before and after."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.requests.comparison import ChangedSample, ChangedSamples
from gui.compare.jobs import CompareJobs
from gui.compare.result_box import ResultBox
from gui.compare.store import Comparisons
from gui.naming import named
from gui.session import Session
from gui.theme import Theme
from gui.units import format_db

PICTURE = 64
CARD = QSize(136, 132)
TEXT_CARD = QSize(150, 64)


class SamplesTab(QWidget):
    """A grid over `Comparisons.samples`."""

    def __init__(
        self, session: Session, store: Comparisons, jobs: CompareJobs, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._store, self._jobs, self._theme = session, store, jobs, theme
        self._box = ResultBox(store, "samples_result", self)
        self._hint = named(QLabel(wordWrap=True), "samples_hint")
        self._hint.setProperty("role", "dim")
        self._button = named(QPushButton(self.tr("Find samples")), "find_samples_button")
        self._button.setToolTip(self.tr("Run float and this result on the evaluation data, and keep what differs most"))
        self._button.clicked.connect(self._find)
        self.list = named(QListWidget(self), "samples_list")
        self.list.setAccessibleName(self.tr("Samples that changed most"))
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setUniformItemSizes(True)
        self.list.setWordWrap(True)
        self.list.setIconSize(QSize(PICTURE, PICTURE))
        bar = QHBoxLayout()
        bar.addWidget(self._box)
        bar.addWidget(self._hint, 1)
        bar.addWidget(self._button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.list, 1)
        self._box.chosen.connect(self._refresh)
        store.changed.connect(self._refresh)
        theme.changed.connect(self._refresh)
        session.data_changed.connect(self._refresh)
        jobs.runner.job_started.connect(self._update_button)
        jobs.runner.job_finished.connect(self._update_button)
        self._shown: tuple[ChangedSamples | None, bool] | None = None
        self._refresh()

    def _find(self) -> None:
        subject = self._box.subject
        if subject is not None:
            self._jobs.find_samples(subject)

    def _update_button(self) -> None:
        is_ready = self._session.evaluation_data is not None and self._box.subject is not None
        self._button.setEnabled(is_ready and not self._jobs.runner.is_busy)

    def _refresh(self) -> None:
        self._update_button()
        subject = self._box.subject
        found = self._store.samples.get(subject.path) if subject else None
        self._hint.setText(self._describe(found))
        if self._shown == (found, self._theme.is_dark):
            return
        self._shown = (found, self._theme.is_dark)
        self.list.clear()
        has_pictures = found is not None and any(sample.picture for sample in found.worst)
        self.list.setGridSize(CARD if has_pictures else TEXT_CARD)
        for sample in found.worst if found else ():
            self.list.addItem(self._build_card(sample))

    def _describe(self, found: ChangedSamples | None) -> str:
        if self._session.evaluation_data is None:
            return self.tr("Needs evaluation data. Add some with Data.")
        if found is None:
            return self.tr("Not looked for yet: the samples whose prediction this result changes most.")
        if found.changed is None:
            return self.tr("%n samples, those farthest from float first.", "", found.samples)
        text = self.tr("Predictions changed: {changed} of {n}, those with the largest KL first.")
        return text.format(changed=found.changed, n=found.samples)

    def _build_card(self, sample: ChangedSample) -> QListWidgetItem:
        item = QListWidgetItem(self._describe_change(sample))
        item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
        item.setSizeHint(self.list.gridSize())  # else the text wraps at the width of the picture
        item.setToolTip(self._explain(sample))
        pixmap = QPixmap()
        if sample.picture is not None and pixmap.loadFromData(sample.picture, "PNG"):
            is_small = max(pixmap.width(), pixmap.height()) < PICTURE / 2
            smooth = (
                Qt.TransformationMode.FastTransformation if is_small else Qt.TransformationMode.SmoothTransformation
            )
            size = QSize(PICTURE, PICTURE)
            item.setIcon(QIcon(pixmap.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, smooth)))
        if sample.is_changed:
            is_right = sample.label is not None and sample.after is not None and sample.after.number == sample.label
            item.setForeground(self._theme.color("good" if is_right else "bad"))
        return item

    def _describe_change(self, sample: ChangedSample) -> str:
        if sample.before is not None and sample.after is not None:
            label = "" if sample.label is None else self.tr("label {label}").format(label=sample.label) + "\n"
            change = self.tr("class {before} → {after}").format(before=sample.before.number, after=sample.after.number)
            return f"{change}\n{label}{self._format_kl(sample)}"
        if sample.changed_tokens is not None:
            text = self.tr("sample {index}: %n tokens", "", sample.changed_tokens).format(index=sample.index)
            return f"{text}\n{self._format_kl(sample)}"
        text = self.tr("sample {index}").format(index=sample.index)
        return f"{text}\n{self.tr('{figure} dB').format(figure=format_db(sample.sqnr_db))}"

    def _format_kl(self, sample: ChangedSample) -> str:
        return self.tr("KL {kl}").format(kl="–" if sample.kl is None else f"{sample.kl:.2g}")

    def _explain(self, sample: ChangedSample) -> str:
        lines = [
            self.tr("sample {index}").format(index=sample.index),
            self.tr("SQNR of its outputs: {figure} dB").format(figure=format_db(sample.sqnr_db)),
        ]
        for words, guess in ((self.tr("float"), sample.before), (self.tr("result"), sample.after)):
            if guess is not None:
                text = self.tr("{model}: class {number}, {share} %")
                share = f"{100 * guess.probability:.1f}"
                lines.append(text.format(model=words, number=guess.number, share=share))
        return "\n".join(lines)
