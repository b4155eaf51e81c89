"""Which result goes where."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QWidget

from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import PathEdit
from gui.naming import named
from gui.output_names import find_existing
from gui.results import ResultEntry
from gui.units import format_bytes


class ExportDialog(FormDialog):
    """Asks for a result and a place.

    Signals:
        export_requested(ResultEntry, Path): copy this result to that file.
    """

    export_requested = Signal(object, object)

    def __init__(self, results: tuple[ResultEntry, ...], folder: Path, parent: QWidget) -> None:
        super().__init__("export_dialog", parent)
        self.set_texts(self.tr("Export"), self.tr("Export"))
        self._results = results
        self._folder = folder
        self._choice = named(QComboBox(), "export_result")
        self._choice.setToolTip(self.tr("A model converted in this session"))
        for entry in results:
            self._choice.addItem(f"{entry.name}  ({format_bytes(entry.converted.file_bytes)})")
        kinds = self.tr("ONNX models (*.onnx);;Packed PyTorch weights (*.safetensors)")
        self._target = PathEdit("export_path", self.tr("Exported model"), kinds, self)
        self._target.add_save_button()
        self.add_note(
            self.tr(
                "Copies the model with its plan, so that the result can be made again, and its manifest: sizes, "
                "SHA-256 and what was measured."
            )
        )
        self.form.addRow(self.tr("Result"), self._choice)
        self.form.addRow(self.tr("Save as"), self._target)
        self._choice.currentIndexChanged.connect(self._suggest)
        self._target.changed.connect(self._check)
        self._choice.setCurrentIndex(len(results) - 1)
        self._suggest()

    def _suggest(self) -> None:
        self._target.set_path(str(self._folder / self._entry.name))

    @property
    def _entry(self) -> ResultEntry:
        return self._results[self._choice.currentIndex()]

    def _check(self) -> None:
        path = Path(self._target.path)
        problem = ""
        suffix = Path(self._entry.name).suffix
        existing = find_existing(path)
        if path.suffix != suffix:
            problem = self.tr("The name of the exported model must end in {suffix}.").format(suffix=suffix)
        elif path.resolve() == Path(self._entry.converted.output).resolve():
            problem = self.tr("This is the result itself. Choose another name or folder.")
        elif existing is not None:
            problem = self.tr("{name} exists already. Choose another name.").format(name=existing.name)
        self.accept_button.setEnabled(not problem)
        self.show_problem(problem)

    def submit(self) -> None:
        """Ask for the copy."""
        self.accept()
        self.export_requested.emit(self._entry, Path(self._target.path))
