"""What is remembered between two starts: theme, language, recent files, folders, window geometry."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

from engine.recovery.targets import Rung, TargetKind
from engine.requests.analysis import AnalysisMethod
from engine.requests.recovery import DEFAULT_RECOVERY_SECONDS
from gui.analysis_choice import DEFAULT_SAMPLES, AnalysisChoice
from gui.compare.thresholds import Thresholds
from gui.measured_plans import PolishChoice
from gui.recover.choice import DEFAULT_TARGETS, RecoverChoice

MAX_RECENT = 8
HIDDEN_AT_FIRST = ("bits", "rounding")
"""Columns of the layers table that a first start leaves out."""


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
    def language(self) -> str:
        """en, zh_CN or system."""
        return str(self._store.value("language", "system"))

    @language.setter
    def language(self, value: str) -> None:
        self._store.setValue("language", str(value))

    @property
    def recent_files(self) -> list[str]:
        """Existing models and projects, the last opened first."""
        stored = self._store.value("recent_models", [])
        paths = [stored] if isinstance(stored, str) else list(stored) if isinstance(stored, list) else []
        return [str(path) for path in paths if Path(str(path)).is_file()]

    def add_recent_file(self, path: str) -> None:
        """Put `path` first among the recent files."""
        others = [known for known in self.recent_files if known != path]
        self._store.setValue("recent_models", [path, *others][:MAX_RECENT])

    @property
    def recent_data(self) -> list[str]:
        """Existing data files and folders, the last used first."""
        stored = self._store.value("recent_data", [])
        paths = [stored] if isinstance(stored, str) else list(stored) if isinstance(stored, list) else []
        return [str(path) for path in paths if Path(str(path)).exists()]

    def add_recent_data(self, path: str) -> None:
        """Put `path` first among the recent data."""
        others = [known for known in self.recent_data if known != path]
        self._store.setValue("recent_data", [path, *others][:MAX_RECENT])

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
    def recovery(self) -> RecoverChoice:
        """How far recovery went last, and by which methods."""
        kind = str(self._store.value("recover_kind", TargetKind.DROP))
        left_out = str(self._store.value("recover_left_out", "")).split()
        return RecoverChoice(
            TargetKind(kind) if kind in set(TargetKind) else TargetKind.DROP,
            {kind: self._read_limit(f"recover_{kind}", default) for kind, default in DEFAULT_TARGETS.items()},
            self._read_limit("recover_seconds", DEFAULT_RECOVERY_SECONDS),
            tuple(rung for rung in Rung if rung not in left_out),
        )

    @recovery.setter
    def recovery(self, value: RecoverChoice) -> None:
        self._store.setValue("recover_kind", str(value.kind))
        for kind, target in value.targets.items():
            self._store.setValue(f"recover_{kind}", float(target))
        self._store.setValue("recover_seconds", float(value.seconds))
        self._store.setValue("recover_left_out", " ".join(rung for rung in Rung if rung not in value.rungs))

    @property
    def thresholds(self) -> Thresholds:
        """Limits beyond which Compare raises an alert."""
        limits = {}
        for item in fields(Thresholds):
            limits[item.name] = self._read_limit(f"threshold_{item.name}", float(item.default))  # type: ignore[arg-type]
        return Thresholds(**limits)

    @thresholds.setter
    def thresholds(self, value: Thresholds) -> None:
        for item in fields(Thresholds):
            self._store.setValue(f"threshold_{item.name}", float(getattr(value, item.name)))

    def _read_limit(self, name: str, default: float) -> float:
        try:
            return max(float(str(self._store.value(name, default))), 0.0)
        except ValueError:
            return default

    @property
    def hidden_columns(self) -> list[str]:
        """Columns of the layers table that are not shown, such as rounding."""
        return str(self._store.value("hidden_columns", " ".join(HIDDEN_AT_FIRST))).split()

    @hidden_columns.setter
    def hidden_columns(self, value: list[str]) -> None:
        self._store.setValue("hidden_columns", " ".join(value))

    @property
    def geometry(self) -> QByteArray:
        """Window geometry; empty at the first start."""
        value = self._store.value("geometry", QByteArray())
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.setValue("geometry", value)
