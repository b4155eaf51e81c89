"""Where the converted model goes and how activations are treated."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QLabel, QWidget

from engine.numerics.schemes import ActivationMode, ActivationType
from engine.pytorch import is_packed_path
from engine.units import format_bytes
from gui.data.data_fields import MAX_SAMPLES
from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import PathEdit
from gui.naming import named
from gui.output_names import find_existing
from gui.session import Session
from gui.spin_box import SpinBox
from gui.units import format_ratio

ACTIVATIONS = (
    (ActivationMode.STATIC, ActivationType.UINT8),
    (ActivationMode.STATIC, ActivationType.INT8),
    (ActivationMode.DYNAMIC, ActivationType.UINT8),
    (ActivationMode.FLOAT, ActivationType.UINT8),
)
"""In the order of the list."""


class ConvertDialog(FormDialog):
    """Shows what the plan will give. Changing the activations is an undoable change of the plan.

    Signals:
        convert_requested(output, samples): go.
        data_dialog_requested: there is no data, and the plan needs some.
    """

    convert_requested = Signal(object, int)
    data_dialog_requested = Signal()

    def __init__(self, session: Session, output: Path, parent: QWidget) -> None:
        super().__init__("convert_dialog", parent)
        self.set_texts(self.tr("Convert"), self.tr("Convert"))
        self._session = session
        kinds = self.tr("ONNX models (*.onnx);;Packed PyTorch weights (*.safetensors)")
        self._output = PathEdit("output_path", self.tr("Converted model"), kinds, self)
        self._output.line.setToolTip(
            self.tr(
                "name.onnx: a model that ONNX Runtime loads. name.safetensors: packed weights for PyTorch, which "
                "engine/pytorch/packed.py loads and runs; inputs of the layers stay float, and no data is needed."
            )
        )
        self._output.add_save_button()
        self._output.set_path(str(output))
        self._activations = named(QComboBox(), "activations")
        self._samples = named(SpinBox(1, MAX_SAMPLES), "convert_samples")
        self._summary = named(QLabel(wordWrap=True), "convert_summary")
        self._build_form()
        session.plan_changed.connect(self._show)
        session.data_changed.connect(self._show)
        self._output.changed.connect(self._show)
        self._show()

    def _build_form(self) -> None:
        self._activations.addItems(
            [
                self.tr("Static INT8: fastest, ranges from calibration data"),
                self.tr("Static INT8, stored signed: for ARM processors and accelerators, slower on x86"),
                self.tr("Dynamic INT8: ranges at run time, no data needed"),
                self.tr("Float: only the weights are quantized"),
            ]
        )
        self._activations.setToolTip(self.tr("For all layers that are not locked; undo brings the old kernels back"))
        self._activations.activated.connect(
            lambda: self._session.set_activations(*ACTIVATIONS[self._activations.currentIndex()])
        )
        self._samples.setValue(self._session.data.samples if self._session.data else 1)
        self._samples.setToolTip(self.tr("How many samples calibrate the activation ranges"))
        self._samples.setSuffix(self.tr(" samples"))
        self.form.addRow(self.tr("Activations"), self._activations)
        self.form.addRow(self.tr("Calibrate with"), self._samples)
        self.form.addRow(self.tr("Save as"), self._output)
        self.form.addRow(self.tr("Result"), self._summary)

    def _show(self) -> None:
        plan, figures, data = self._session.plan, self._session.figures, self._session.data
        if plan is None or figures is None:
            return
        mode = plan.defaults.activations
        stored = plan.defaults.activation_type if mode == ActivationMode.STATIC else ActivationType.UINT8
        self._activations.setCurrentIndex(ACTIVATIONS.index((mode, stored)))
        is_packed = is_packed_path(self._output.path)
        self._activations.setEnabled(not is_packed)
        self._samples.setEnabled(plan.needs_calibration and data is not None and not is_packed)
        if data is not None:
            self._samples.setMaximum(max(data.calibration_summary.samples, 1))
        self._summary.setText(
            self.tr("about {size}, {ratio} smaller, {bits:.2f} bits per weight").format(
                size=format_bytes(figures.file_bytes), ratio=format_ratio(figures.ratio), bits=figures.bits_per_weight
            )
        )
        if self._lacks_data:
            self.accept_button.setText(self.tr("Add data…"))
            self.show_problem(
                self.tr("Static activations need calibration data. Add data, or choose Dynamic or Float.")
            )
        else:
            self.accept_button.setText(self.tr("Convert"))
            self.show_problem(self._refuse_output())
        self.accept_button.setEnabled(self._lacks_data or not self._refuse_output())

    @property
    def _lacks_data(self) -> bool:
        plan = self._session.plan
        is_needed = plan is not None and plan.needs_calibration and not is_packed_path(self._output.path)
        return is_needed and self._session.data is None

    def _refuse_output(self) -> str:
        model, path = self._session.model, Path(self._output.path)
        if not self._output.path or model is None:
            return self.tr("Give the name of a file to write.")
        if path.suffix != ".onnx" and not is_packed_path(path):
            return self.tr("The name of the converted model must end in .onnx, or .safetensors for PyTorch.")
        if path.resolve() == Path(model.path).resolve():
            return self.tr("This is the float model itself. Choose another name.")
        existing = find_existing(path)
        if existing is not None:
            return self.tr("{name} exists already, and results are never overwritten. Choose another name.").format(
                name=existing.name
            )
        return ""

    def submit(self) -> None:
        """Convert, or go for the data that is missing."""
        self.accept()
        if self._lacks_data:
            self.data_dialog_requested.emit()
        else:
            self.convert_requested.emit(Path(self._output.path), self._samples.value())
