"""The steps of the loop and how far they are, at the right end of the toolbar."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gui.naming import named
from gui.session import Session

MAX_NAME = 14
HEIGHT = 25
"""That of Chinese, so that a name in Latin letters stands level with it."""


class StepChips(QWidget):
    """model ✓ · data ✓ · sensitivity 62 % · convert · compare."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("steps")
        self._session = session
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(4)
        names = ("model", "data", "sensitivity", "convert", "compare")
        self._chips = {name: named(QLabel(), f"step_{name}") for name in names}
        for chip in self._chips.values():
            chip.setFixedHeight(HEIGHT)
            layout.addWidget(chip, 0, Qt.AlignmentFlag.AlignVCenter)
        for changed in (
            session.model_changed,
            session.data_changed,
            session.sensitivity_changed,
            session.results_changed,
        ):
            changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        self._show_model()
        self._show_data()
        self._show_sensitivity()
        self._show_results()

    def _show_model(self) -> None:
        model = self._session.model
        name = Path(model.path).name if model else ""
        short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        self._set(
            "model",
            f"✓ {short}" if model else self.tr("model"),
            "done" if model else "todo",
            model.path if model else "",
        )

    def _show_data(self) -> None:
        data = self._session.data
        text = self.tr("✓ %n samples", "", data.samples) if data else self.tr("data")
        tip = data.calibration_summary.description if data else self.tr("No data yet")
        self._set("data", text, "done" if data else "todo", tip)

    def _show_sensitivity(self) -> None:
        percent = int(100 * self._session.measured_fraction)
        if self._session.is_analysed:
            self._set("sensitivity", self.tr("✓ sensitivity"), "done", self.tr("All layers measured"))
        elif percent or self._session.rows:
            text = self.tr("● sensitivity {percent} %").format(percent=percent)
            self._set("sensitivity", text, "active", self.tr("%n layers measured", "", len(self._session.rows)))
        else:
            self._set("sensitivity", self.tr("sensitivity"), "todo", self.tr("Not analysed yet"))

    def _show_results(self) -> None:
        results = self._session.results
        text = self.tr("✓ {n} converted").format(n=len(results)) if results else self.tr("convert")
        self._set("convert", text, "done" if results else "todo", self.tr("Converted models in this session"))
        evaluated = sum(entry.evaluation is not None for entry in results)
        state = "todo" if not evaluated else "done" if evaluated == len(results) else "active"
        text = self.tr("✓ compared") if state == "done" else self.tr("compare")
        self._set(
            "compare", text, state, self.tr("Results evaluated: {n} of {total}").format(n=evaluated, total=len(results))
        )

    def _set(self, name: str, text: str, state: str, tip: str) -> None:
        chip = self._chips[name]
        chip.setText(text)
        chip.setToolTip(tip)
        if chip.property("chip") != state:
            chip.setProperty("chip", state)
            chip.style().unpolish(chip)
            chip.style().polish(chip)
