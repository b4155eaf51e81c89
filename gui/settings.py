"""What is remembered between two starts: theme, recent files, folders, window geometry."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

from engine.jobs.requests import AnalysisMethod
from gui.analysis_choice import DEFAULT_SAMPLES, AnalysisChoice
from gui.measured_plans import PolishChoice

MAX_RECENT = 8


class Settings:
    """Declared settings over QSettings; nothing else in the window touches QSettings."""

    def __init__(self) -> None:
        self._store = QSettings("Bitsmith", "Bitsmith")

    @property
    def theme(self) -> str:
        """dark, light or system."""
        return str(self._store.value("theme", "system"))

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.setValue("theme", str(value))

    @property
    def recent_models(self) -> list[str]:
        """Existing model files, the last opened first."""
        stored = self._store.value("recent_models", [])
        paths = [stored] if isinstance(stored, str) else list(stored) if isinstance(stored, list) else []
        return [str(path) for path in paths if Path(str(path)).is_file()]

    def add_recent_model(self, path: str) -> None:
        """Put `path` first among the recent files."""
        others = [known for known in self.recent_models if known != path]
        self._store.setValue("recent_models", [path, *others][:MAX_RECENT])

    @property
    def results_folder(self) -> Path:
        """Where converted models go unless the user says otherwise."""
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        default = Path(documents or Path.home()) / "Bitsmith"
        return Path(str(self._store.value("results_folder", str(default))))

    @results_folder.setter
    def results_folder(self, value: Path) -> None:
        self._store.setValue("results_folder", str(value))

    @property
    def open_folder(self) -> str:
        """Where the last file was opened."""
        return str(self._store.value("open_folder", str(Path.home())))

    @open_folder.setter
    def open_folder(self, value: str) -> None:
        self._store.setValue("open_folder", value)

    @property
    def analysis(self) -> AnalysisChoice:
        """How layers were measured last; measuring anew is never remembered."""
        method = str(self._store.value("analysis_method", AnalysisMethod.QUICK))
        samples = str(self._store.value("analysis_samples", DEFAULT_SAMPLES))
        return AnalysisChoice(
            AnalysisMethod(method) if method in set(AnalysisMethod) else AnalysisMethod.QUICK,
            int(samples) if samples.isdigit() else DEFAULT_SAMPLES,
            is_racing=str(self._store.value("analysis_racing", "false")) == "true",
        )

    @analysis.setter
    def analysis(self, value: AnalysisChoice) -> None:
        self._store.setValue("analysis_method", str(value.method))
        self._store.setValue("analysis_samples", value.samples)
        self._store.setValue("analysis_racing", "true" if value.is_racing else "false")

    @property
    def polish(self) -> PolishChoice:
        """Whether a plan for a budget was measured on data last, and for how long."""
        seconds = str(self._store.value("polish_seconds", PolishChoice.seconds))
        is_wanted = str(self._store.value("polish_wanted", "false")) == "true"
        return PolishChoice(is_wanted, int(seconds) if seconds.isdigit() else PolishChoice.seconds)

    @polish.setter
    def polish(self, value: PolishChoice) -> None:
        self._store.setValue("polish_wanted", "true" if value.is_wanted else "false")
        self._store.setValue("polish_seconds", value.seconds)

    @property
    def geometry(self) -> QByteArray:
        """Window geometry; empty at the first start."""
        value = self._store.value("geometry", QByteArray())
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.setValue("geometry", value)
