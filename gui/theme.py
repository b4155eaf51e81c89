"""Colours: the only place where a colour is written down. Dark and light, switchable at run time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from gui.collecting import collection_paused
from gui.resource_files import load_cividis
from gui.settings import Settings
from gui.stylesheet import build_stylesheet


class ThemeMode(StrEnum):
    """What the user asked for in the View menu."""

    DARK = "dark"
    LIGHT = "light"
    SYSTEM = "system"


@dataclass(frozen=True)
class Palette:
    """Named colours of one theme, as #rrggbb; text on `window`, `panel` and `field` has contrast ≥ 4.5."""

    name: str
    window: str
    panel: str
    field: str
    line: str
    text: str
    text_dim: str
    text_disabled: str
    accent: str
    accent_hover: str
    on_accent: str
    selection: str
    hover: str
    good: str
    good_line: str
    caution: str
    caution_line: str
    caution_field: str
    bad: str
    bar: str
    cell_empty: str
    cell_hatch: str
    cell_chosen: str
    plot_weight: str
    plot_quantized: str
    plot_grid: str
    plot_clip: str
    plot_overflow: str
    series: tuple[str, ...]


DARK = Palette(
    name="dark",
    window="#12161d", panel="#151b23", field="#1b222c", line="#2a333f",
    text="#e3e9f0", text_dim="#93a1b1", text_disabled="#5b6775",
    accent="#2f6fb5", accent_hover="#3678be", on_accent="#ffffff", selection="#1d3246", hover="#202a36",
    good="#7cc9a0", good_line="#2f6b50", caution="#f2c14e", caution_line="#6b5620", caution_field="#2b2412",
    bad="#f0857d", bar="#3d6690",
    cell_empty="#1c232c", cell_hatch="#2c3642", cell_chosen="#ffffff",
    plot_weight="#5b9fe0", plot_quantized="#f2c14e", plot_grid="#46525f", plot_clip="#f29d49", plot_overflow="#f0857d",
    series=("#5b9fe0", "#f2c14e", "#7cc9a0", "#e48bb5", "#a99af0", "#f29d49", "#67c7d4", "#c0c8d0"),
)  # fmt: skip

LIGHT = Palette(
    name="light",
    window="#f5f7fa", panel="#ffffff", field="#ffffff", line="#d3dae2",
    text="#17202b", text_dim="#566373", text_disabled="#9aa5b1",
    accent="#1f62ad", accent_hover="#2a72c3", on_accent="#ffffff", selection="#d6e6f7", hover="#e8eef5",
    good="#1b7348", good_line="#8cc7a8", caution="#855c00", caution_line="#d9b969", caution_field="#fdf5de",
    bad="#b3261e", bar="#8fb4da",
    cell_empty="#e9edf2", cell_hatch="#c9d1da", cell_chosen="#0b0f14",
    plot_weight="#2f77bf", plot_quantized="#b06f00", plot_grid="#b9c3ce", plot_clip="#c45a00", plot_overflow="#b3261e",
    series=("#1f62ad", "#b06f00", "#1b7348", "#a8326f", "#5d48c4", "#c45a00", "#0f7684", "#566373"),
)  # fmt: skip


class Theme(QObject):
    """The current colours.

    Signals:
        changed: the palette is another one; painted things must be painted again.
    """

    changed = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._cells = [QColor(color) for color in load_cividis()]
        self._cell_texts = [self.text_color_on(color) for color in self._cells]
        self._named: dict[str, QColor] = {}
        self.mode = ThemeMode(settings.theme) if settings.theme in set(ThemeMode) else ThemeMode.SYSTEM
        self.colors = self._choose_palette()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_system_changed)

    @property
    def is_dark(self) -> bool:
        """Whether the dark palette is shown."""
        return self.colors is DARK

    def set_mode(self, mode: ThemeMode) -> None:
        """Switch, and remember the choice."""
        self.mode = mode
        self._settings.theme = mode
        self.apply()

    def apply(self) -> None:
        """Give the application the colours of the current mode."""
        self.colors = self._choose_palette()
        self._named.clear()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        with collection_paused():
            application.setPalette(_build_palette(self.colors))
            application.setStyleSheet(build_stylesheet(self.colors))
        self.changed.emit()

    def cell_color(self, fragility: float) -> QColor:
        """The colour of a cell: cividis, from dark blue at 0, robust, to yellow at 1, fragile."""
        return self._cells[round(fragility * 255)]

    def cell_text_color(self, fragility: float) -> QColor:
        """Black or white, whichever reads better on that cell."""
        return self._cell_texts[round(fragility * 255)]

    def text_color_on(self, background: QColor) -> QColor:
        """Black or white, whichever reads better on `background`: contrast is at least 4.5 on any colour."""
        luminance = _luminance(background)
        is_dark_text_better = (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05)
        return QColor("#000000" if is_dark_text_better else "#ffffff")

    def plot_color(self, name: str) -> QColor:
        """A colour of the plots: weight, quantized, grid, clip or overflow."""
        return QColor(getattr(self.colors, f"plot_{name}"))

    def series_color(self, index: int) -> QColor:
        """The colour of the n-th curve or bar."""
        return QColor(self.colors.series[index % len(self.colors.series)])

    def color(self, name: str) -> QColor:
        """A named colour of the palette; shared, not to be changed."""
        if name not in self._named:
            self._named[name] = QColor(getattr(self.colors, name))
        return self._named[name]

    def _choose_palette(self) -> Palette:
        if self.mode == ThemeMode.SYSTEM:
            is_light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
            return LIGHT if is_light else DARK
        return DARK if self.mode == ThemeMode.DARK else LIGHT

    def _on_system_changed(self) -> None:
        if self.mode == ThemeMode.SYSTEM and self._choose_palette() is not self.colors:
            self.apply()


def _luminance(color: QColor) -> float:
    channels = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _build_palette(colors: Palette) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: colors.window,
        QPalette.ColorRole.WindowText: colors.text,
        QPalette.ColorRole.Base: colors.field,
        QPalette.ColorRole.AlternateBase: colors.panel,
        QPalette.ColorRole.Text: colors.text,
        QPalette.ColorRole.PlaceholderText: colors.text_dim,
        QPalette.ColorRole.Button: colors.field,
        QPalette.ColorRole.ButtonText: colors.text,
        QPalette.ColorRole.ToolTipBase: colors.panel,
        QPalette.ColorRole.ToolTipText: colors.text,
        QPalette.ColorRole.Highlight: colors.accent,
        QPalette.ColorRole.HighlightedText: colors.on_accent,
        QPalette.ColorRole.Link: colors.accent_hover,
    }
    for role, color in roles.items():
        palette.setColor(role, QColor(color))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colors.text_disabled))
    return palette
