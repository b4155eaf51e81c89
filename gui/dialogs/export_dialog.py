"""Which result goes where, in which form, and with what."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QWidget

from engine.bundle.records import ensure_named
from engine.errors import OutputError
from engine.project.runs import Run
from engine.units import format_bytes
from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import PathEdit
from gui.exporting import CALIBRATION_SUFFIX, ExportChoice, ExportKind, report_beside
from gui.naming import named
from gui.output_names import ensure_new, find_existing

FIRST_VERSION = "1.0.0"


class ExportDialog(FormDialog):
    """Asks for a result, a form and a place.

    Signals:
        export_requested(ExportChoice): go.
    """

    export_requested = Signal(object)

    def __init__(self, results: tuple[Run, ...], folder: Path, parent: QWidget, *, has_data: bool) -> None:
        """Offer these results; `has_data`: activation ranges can be collected."""
        super().__init__("export_dialog", parent)
        self.set_texts(self.tr("Export"), self.tr("Export"))
        self._results = results
        self._folder = folder
        self._has_data = has_data
        self._choice = named(QComboBox(), "export_result")
        self._kind = named(QComboBox(), "export_kind")
        self._name = named(QLineEdit(), "export_name")
        self._version = named(QLineEdit(FIRST_VERSION), "export_version")
        self._calibration = named(QCheckBox(self.tr("Activation ranges (.calib)")), "export_calibration")
        self._report = named(QCheckBox(self.tr("Report (.html)")), "export_report")
        kinds = self.tr("ONNX models (*.onnx);;Packed PyTorch weights (*.safetensors);;Bundles (*.zip);;All files (*)")
        self._target = PathEdit("export_path", self.tr("Exported file or folder"), kinds, self)
        self._note = self._build_form()
        self._connect()
        self._choice.setCurrentIndex(len(results) - 1)
        self._on_result_chosen()

    def _build_form(self) -> QLabel:
        for run in self._results:
            self._choice.addItem(f"{run.name}  ({format_bytes(run.converted.file_bytes)})")
        self._choice.setToolTip(self.tr("The converted model that is exported"))
        self._kind.setToolTip(self.tr("A file, or all that runs it on another computer"))
        self._name.setToolTip(self.tr("Name of the model in the bundle: letters, digits, '.', '_' and '-'"))
        self._version.setToolTip(self.tr("Semantic Version of the model, such as 1.0.0 or 1.1.0-rc.1"))
        self._calibration.setToolTip(self.tr("Collected from the calibration data once more; makes the model again"))
        self._report.setToolTip(self.tr("One page that shows what was done and measured, with the commands"))
        self._target.add_save_button()
        self.form.addRow(self.tr("Result"), self._choice)
        self.form.addRow(self.tr("Export as"), self._kind)
        note = self.add_note("")
        self.form.addRow(self.tr("Name"), self._name)
        self.form.addRow(self.tr("Version"), self._version)
        self.form.addRow(self.tr("Also"), self._calibration)
        self.form.addRow("", self._report)
        self.form.addRow(self.tr("Save as"), self._target)
        return note

    def _connect(self) -> None:
        self._choice.currentIndexChanged.connect(self._on_result_chosen)
        self._kind.currentIndexChanged.connect(self._on_kind_chosen)
        self._name.textEdited.connect(self._suggest)
        self._version.textEdited.connect(self._suggest)
        for box in (self._calibration, self._report):
            box.toggled.connect(self._check)
        self._target.changed.connect(self._check)

    def _on_result_chosen(self) -> None:
        """Offer the forms that this result has."""
        self._kind.blockSignals(True)
        self._kind.clear()
        titles = {
            ExportKind.MODEL: self.tr("Model as it is, with plan and manifest"),
            ExportKind.PORTABLE: self.tr("Portable ONNX: standard operators only"),
            ExportKind.PACKED: self.tr("Packed PyTorch weights (.safetensors)"),
            ExportKind.FOLDER: self.tr("Deployment bundle: a folder"),
            ExportKind.ZIP: self.tr("Deployment bundle: one .zip"),
        }
        for kind, title in titles.items():
            is_offered = kind == ExportKind.MODEL or not self._run.is_packed
            if kind == ExportKind.PORTABLE:
                is_offered = self._run.converted.is_portable is False
            if is_offered:
                self._kind.addItem(title, kind)
        self._kind.blockSignals(False)
        self._name.setText(Path(self._run.name).stem)
        self._on_kind_chosen()

    def _on_kind_chosen(self) -> None:
        notes = {
            ExportKind.MODEL: self.tr(
                "Copies the model with its plan, so that the result can be made again, and its manifest: sizes, "
                "SHA-256 and what was measured."
            ),
            ExportKind.PORTABLE: self.tr(
                "Converts once more with the same bits. Layers on operators of com.microsoft get standard ones."
            ),
            ExportKind.PACKED: self.tr(
                "Converts once more. The weights stay packed; engine/pytorch/packed.py loads and runs them."
            ),
        }
        bundle = self.tr(
            "Model, preprocessing, manifest with checksums, an inference script, an HTTP service and their "
            "requirements. Both are run here on a sample, and must predict what the workbench predicts, before the "
            "bundle gets its name."
        )
        self._note.setText(notes.get(self._selected_kind, bundle))
        for field in (self._name, self._version):
            self.form.setRowVisible(field, self._selected_kind.is_bundle)
        can_calibrate = self._has_data and self._run.plan.needs_calibration
        self._calibration.setEnabled(can_calibrate and self._selected_kind != ExportKind.PACKED)
        if not self._calibration.isEnabled():
            self._calibration.setChecked(False)
        self._suggest()
        self._make_room()

    def _suggest(self) -> None:
        stem = Path(self._run.name).stem
        bundle = f"{self._name.text().strip()}-{self._version.text().strip()}"
        name = {
            ExportKind.MODEL: self._run.name,
            ExportKind.PORTABLE: f"{stem}-portable.onnx",
            ExportKind.PACKED: f"{stem}.safetensors",
            ExportKind.FOLDER: bundle,
            ExportKind.ZIP: f"{bundle}.zip",
        }[self._selected_kind]
        folder = Path(self._target.path).parent if self._target.path else self._folder
        path = folder / name
        self._target.set_path(str(path if self._selected_kind.is_bundle else ensure_new(path)))
        self._check()

    @property
    def _run(self) -> Run:
        return self._results[max(self._choice.currentIndex(), 0)]

    @property
    def _selected_kind(self) -> ExportKind:
        return ExportKind(self._kind.currentData())

    def _check(self) -> None:
        problem = self._find_problem()
        self.accept_button.setEnabled(not problem)
        self.show_problem(problem)

    def _find_problem(self) -> str:
        kind, path = self._selected_kind, Path(self._target.path)
        suffixes = {
            ExportKind.MODEL: Path(self._run.name).suffix, ExportKind.PORTABLE: ".onnx",
            ExportKind.PACKED: ".safetensors", ExportKind.ZIP: ".zip",
        }  # fmt: skip
        suffix = suffixes.get(kind, "")
        if suffix and path.suffix != suffix:
            return self.tr("The name of the exported file must end in {suffix}.").format(suffix=suffix)
        if path.resolve() == Path(self._run.converted.output).resolve():
            return self.tr("This is the result itself. Choose another name or folder.")
        if kind.is_bundle:
            if kind == ExportKind.FOLDER and path.suffix.lower() == ".zip":
                return self.tr("A folder must not end in .zip. Choose another name, or the .zip.")
            try:
                ensure_named(self._name.text().strip(), self._version.text().strip())
            except OutputError as error:
                return str(error)
        existing = self._find_existing(path)
        if existing is not None:
            return self.tr("{name} exists already. Choose another name.").format(name=existing.name)
        return ""

    def _find_existing(self, path: Path) -> Path | None:
        report = report_beside(self._build_choice())
        if self._report.isChecked() and report.exists():
            return report
        if self._selected_kind.is_bundle:
            return path if path.exists() else None
        calibration = path.with_suffix(CALIBRATION_SUFFIX)
        if self._calibration.isChecked() and calibration.exists():
            return calibration
        return find_existing(path)

    def submit(self) -> None:
        """Ask for the export."""
        self.accept()
        self.export_requested.emit(self._build_choice())

    def _build_choice(self) -> ExportChoice:
        return ExportChoice(
            self._run,
            self._selected_kind,
            Path(self._target.path),
            self._name.text().strip(),
            self._version.text().strip(),
            with_calibration=self._calibration.isChecked(),
            with_report=self._report.isChecked(),
        )
