"""Fixtures of the window's tests: settings of their own, hand-made models, and a real window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings
from PySide6.QtWidgets import QApplication, QDialog, QMessageBox
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import Kernel
from engine.sensitivity.matrix import Cell, Metric, SensitivityRow
from engine.summary import LayerSummary, ModelSummary
from gui.app import build_main_window
from gui.collecting import collection_paused
from gui.main_window import MainWindow
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme, ThemeMode

JOB_MS = 60_000


@pytest.fixture(autouse=True)
def own_collection() -> Iterator[None]:
    """What a test forgets is destroyed between tests, not by an engine's thread or inside an event of Qt."""
    with collection_paused():
        yield


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts as a first start: no settings, nothing left over."""
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "state"))
    for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
        QSettings.setPath(kind, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    Settings().results_folder = tmp_path / "results"
    Settings().language = "en"
    Settings().open_folder = str(tmp_path)


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    """The dark theme."""
    made = Theme(Settings())
    made.set_mode(ThemeMode.DARK)
    return made


@pytest.fixture
def make_model() -> Callable[[int], ModelSummary]:
    """Builds a summary of a model with that many convolutions."""
    return build_summary


@pytest.fixture
def session(qapp: QApplication) -> Session:
    """A session in which a model with four layers is open."""
    made = Session()
    made.set_model(build_summary(4))
    return made


@pytest.fixture
def make_row() -> Callable[[str], SensitivityRow]:
    """Builds measured cells for one layer."""
    return build_row


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A real window with a real worker; nothing of it is left afterwards."""
    made = build_main_window()
    made.resize(1280, 720)
    made.show()
    qtbot.waitExposed(made)
    yield made
    if made.runner.is_busy:
        made.runner.cancel()
        qtbot.waitUntil(lambda: not made.runner.is_busy, timeout=JOB_MS)
    for dialog in made.findChildren(QDialog):
        dialog.close()
    made.close()
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def sample_window(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window in which the bundled sample is open, with its data."""
    with qtbot.waitSignal(window.session.data_changed, timeout=JOB_MS, check_params_cb=None):
        window.actions_["action_open_sample"].trigger()
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)
    return window


@pytest.fixture
def loaded_window(window: MainWindow) -> MainWindow:
    """A window that shows a hand-made model, for what needs no engine."""
    window.session.set_model(build_summary(4))
    return window


@pytest.fixture
def message(window: MainWindow, qtbot: QtBot) -> Callable[[], str]:
    """Waits for a message box and returns what it says."""

    def read() -> str:
        qtbot.waitUntil(lambda: bool(_boxes(window)), timeout=JOB_MS)
        box = _boxes(window)[0]
        text = box.text()
        box.close()
        return text

    return read


def _boxes(window: MainWindow) -> list[QMessageBox]:
    return [box for box in window.findChildren(QMessageBox) if box.isVisible()]


def build_summary(count: int) -> ModelSummary:
    layers = tuple(build_layer(number) for number in range(count))
    parameters = sum(layer.parameters for layer in layers)
    return ModelSummary(
        path="/models/net.onnx",
        sha256="0" * 64,
        file_bytes=4 * parameters + 5000,
        fixed_bytes=2000,
        opset=18,
        producer="test",
        inputs=(),
        outputs=(),
        layers=layers,
        nodes=(),
    )


def build_layer(number: int) -> LayerSummary:
    channels = 8 * (number % 7 + 1)
    return LayerSummary(
        name=f"conv{number}",
        title=f"layer{number}.conv",
        op="Conv",
        detail="Conv 3×3" if number % 2 else "Conv 1×1",
        weight_shape=(channels, 16, 3, 3),
        axis=0,
        channels=channels,
        inputs_per_channel=144,
        parameters=channels * 144,
        bias_elements=channels,
        macs=1000,
        constant_name_bytes=20,
        input_name=f"in{number}",
        output_name=f"out{number}",
        kernels=(Kernel.QLINEAR, Kernel.FLOAT),
    )


def build_row(name: str, four_bits_db: float = 20.0) -> SensitivityRow:
    figures = {16: 72.0, 8: 44.0, 4: four_bits_db, 2: 6.0}
    cells = {bits: Cell({Metric.SQNR: value}) for bits, value in figures.items()}
    return SensitivityRow(name, cells, dict.fromkeys(cells, 100))
