"""The language of the window: English or Simplified Chinese.

Every text is written in English where it is used and looked up by `tr`; `resources/translations` holds what it is
called in Chinese, and the plural forms of English. `tools/translations.py` keeps these files up to date.

What the engine says often is translated, too (`gui.engine_texts`). Its errors, and why a layer refuses a choice, stay
English in either language: they are the same there as on the command line, and can be searched for. So do names from
models and files.

Figures are written alike in both languages, with a dot and SI units, whatever the system's region does.
"""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtGui import QFontDatabase

from gui.resource_files import TRANSLATIONS


class Language(StrEnum):
    """What the user asked for in the View menu."""

    ENGLISH = "en"
    CHINESE = "zh_CN"
    SYSTEM = "system"


_installed: list[QTranslator] = []


def read_language(stored: str) -> Language:
    """The language of that name; the system's if there is none."""
    return Language(stored) if stored in set(Language) else Language.SYSTEM


def use_language(wanted: Language) -> None:
    """Look up texts in this language from now on; what is already shown stays as it is."""
    language = _system_language() if wanted == Language.SYSTEM else wanted
    while _installed:
        translator = _installed.pop()
        QCoreApplication.removeTranslator(translator)
        translator.deleteLater()
    QLocale.setDefault(QLocale(str(language)))
    of_qt = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    for name, folder in ((f"qtbase_{language}", of_qt), (f"bitsmith_{language}", str(TRANSLATIONS))):
        translator = QTranslator(QCoreApplication.instance())
        if translator.load(name, folder):
            QCoreApplication.installTranslator(translator)
            _installed.append(translator)


def has_chinese_font() -> bool:
    """Whether some font has the characters; without one they are all boxes."""
    return bool(QFontDatabase.families(QFontDatabase.WritingSystem.SimplifiedChinese))


def _system_language() -> Language:
    is_chinese = QLocale.system().language() == QLocale.Language.Chinese
    return Language.CHINESE if is_chinese and has_chinese_font() else Language.ENGLISH
