"""Both languages are complete, and the window changes from one to the other without losing anything."""

from __future__ import annotations

import ast
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QMessageBox, QToolButton
from pytestqt.qtbot import QtBot

from engine.allocation import allocate
from engine.plan import build_plan
from engine.requests.allocation import AllocateRequest, Budget
from engine.requests.data import DataChoice, DataRequest
from engine.sensitivity.matrix import Metric, Sensitivity
from gui.app import build_main_window
from gui.engine_texts import PROGRESS, WARNINGS, find_template, translate_progress, translate_reason
from gui.main_window import MainWindow
from gui.resource_files import TRANSLATIONS, load_sample
from gui.settings import Settings
from gui.translation import Language, read_language, use_language
from tests.gui.conftest import build_row, build_summary
from tools.translations import LANGUAGES, PLURALS_ONLY, ROOT, Message, find_messages, update

JOB_MS = 30_000
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z]{2}")
SHOWN_BY = {
    "QAction", "QCheckBox", "QGroupBox", "QLabel", "QMenu", "QPushButton", "QRadioButton", "QToolBar", "QToolButton",
    "addAction", "addButton", "addItem", "addMenu", "addRow", "addTab", "ask", "change_plan", "choose", "error", "note",
    "setAccessibleDescription", "setAccessibleName", "setHtml", "setInformativeText", "setLabel", "setPlaceholderText",
    "setPrefix", "setStatusTip", "setSuffix", "setTabText", "setText", "setTitle", "setToolTip", "setWhatsThis",
    "setWindowTitle", "showMessage", "showText", "warning",
}  # fmt: skip
SIDES = {"left", "bottom", "right", "top"}
OWN_NAMES = {"&English"}
METHODS = {"GPTQ", "AdaRound"}


@pytest.fixture
def chinese(window: MainWindow) -> Iterator[MainWindow]:
    """A window in Chinese; the tests that follow are in English again."""
    window.actions_["action_language_zh_CN"].trigger()
    yield window
    use_language(Language.ENGLISH)


def read_entries(path: Path) -> Iterator[tuple[Message, list[str], str]]:
    """Message, translations and state of every entry of a `.ts` file."""
    for context in ET.parse(path).getroot().iter("context"):
        for entry in context.iter("message"):
            translation = entry.find("translation")
            assert translation is not None
            is_plural = entry.get("numerus") == "yes"
            forms = [form.text or "" for form in translation.iter("numerusform")]
            name, source = context.findtext("name") or "", entry.findtext("source") or ""
            message = Message(name, source, entry.findtext("comment") or "", is_plural)
            yield message, forms if is_plural else [translation.text or ""], translation.get("type") or ""


def chinese_entries() -> list[tuple[str, str]]:
    """Source and translation."""
    entries = read_entries(TRANSLATIONS / "bitsmith_zh_CN.ts")
    return [(message.source, form) for message, forms, _state in entries for form in forms]


def test_that_every_text_of_the_window_is_literal_so_that_it_can_be_found() -> None:
    assert find_messages().problems == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_that_the_translations_hold_what_the_sources_say_and_nothing_else(language: str) -> None:
    found = find_messages().messages
    wanted = {message for message in found if message.is_plural or language not in PLURALS_ONLY}
    entries = list(read_entries(TRANSLATIONS / f"bitsmith_{language}.ts"))
    assert {message for message, _forms, _state in entries} == wanted
    assert [message for message, forms, state in entries if state or not all(forms)] == []


def test_that_lupdate_agrees_that_the_file_is_up_to_date(tmp_path: Path) -> None:
    known = TRANSLATIONS / "bitsmith_zh_CN.ts"
    fresh = tmp_path / known.name
    shutil.copyfile(known, fresh)
    update(fresh, "zh_CN", find_messages().messages)
    assert fresh.read_text(encoding="utf-8") == known.read_text(encoding="utf-8")


def test_that_placeholders_line_ends_and_spaces_are_those_of_the_source() -> None:
    for source, text in chinese_entries():
        for pattern in (r"\{[^}]*\}|%n", r"\n", r"\*\.\w+", r"^\s|\s$"):
            assert Counter(re.findall(pattern, source)) == Counter(re.findall(pattern, text)), (source, text)
        assert ("&" in source) == ("&" in text), (source, text)


def test_that_no_text_is_shown_past_the_translation() -> None:
    untranslated = []
    for path in sorted((ROOT / "gui").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and _name_of(call) in SHOWN_BY:
                texts = [text for argument in call.args for text in _literal_texts(argument)]
                texts = [text for text in texts if WORD.search(_without_units(text)) and text not in SIDES | OWN_NAMES]
                texts = [text for text in texts if "_" not in text]
                untranslated += [f"{path.name}:{call.lineno}: {text}" for text in texts]
    assert untranslated == []


def _name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _literal_texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from (*_literal_texts(node.body), *_literal_texts(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        yield from (text for part in node.values if isinstance(part, ast.Constant) for text in _literal_texts(part))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _without_units(text: str) -> str:
    """Without tags and units."""
    return re.sub(r"<[^>]*>|&\w+;|\b(ms|kB|MB|dB)\b", "", text)


def test_that_a_window_in_chinese_shows_chinese_and_goes_back_to_english(
    loaded_window: MainWindow, chinese: MainWindow
) -> None:
    window = loaded_window
    assert [action.text() for action in window.menuBar().actions()][:2] == ["文件(&F)", "编辑(&E)"]
    tabs = [window.tabs.tabText(at) for at in range(window.tabs.count())]
    assert all(CHINESE.search(text) for text in tabs), tabs
    layers = window.layers_page.view.model()
    headers = [str(layers.headerData(at, Qt.Orientation.Horizontal)) for at in range(layers.columnCount())]
    assert "算子" in headers
    assert "内核" in headers
    buttons = [button.text() for button in window._toolbar.findChildren(QToolButton) if button.text()]
    assert buttons[:3] == ["打开", "数据", "分析"]
    for button in window._central.findChildren(QAbstractButton):
        assert CHINESE.search(button.text()) or not WORD.search(button.text()) or button.text() in METHODS
    window.notifier.ask("?", "!", lambda: None)
    box = window.findChild(QMessageBox)
    assert box is not None
    assert box.button(QMessageBox.StandardButton.Cancel).text() == "取消"
    window.actions_["action_language_en"].trigger()
    assert [action.text() for action in window.menuBar().actions()][:2] == ["&File", "&Edit"]
    assert window.tabs.tabText(0) == "Layers × bits"
    assert not [label.text() for label in window._central.findChildren(QLabel) if CHINESE.search(label.text())]


def test_that_nothing_is_lost_when_the_language_changes(loaded_window: MainWindow, qtbot: QtBot) -> None:
    window, session = loaded_window, loaded_window.session
    session.select("conv1")
    session.assign_bits(["conv1"], 4)
    plan, figures, position = session.plan, session.figures, window.geometry()
    window.log.add("a line")
    window.tabs.setCurrentWidget(window.tradeoff_page)
    window.tabs.setCurrentWidget(window.layers_page)
    window.layers_page.filter.setText("layer1")
    old = window.layers_page
    try:
        with qtbot.waitSignal(old.destroyed):
            window.actions_["action_language_zh_CN"].trigger()
        assert window.layers_page is not old
        assert (session.plan, session.figures, window.geometry()) == (plan, figures, position)
        assert window.tabs.currentWidget() is window.layers_page
        assert window.layers_page.filter.text() == "layer1"
        assert window.layers_page.view.selected_names() == ["conv1"]
        assert "a line" in window.job_panel._text.toPlainText()
        window.actions_["action_undo"].trigger()
        assert session.plan != plan
        session.assign_bits(["conv1"], 2)
        assert window._central.findChild(QLabel, "live_size").text() != ""
        window.actions_["action_filter"].trigger()
        assert isinstance(QApplication.focusWidget(), QLineEdit)
    finally:
        use_language(Language.ENGLISH)


def test_that_the_language_cannot_change_while_a_job_runs(window: MainWindow, qtbot: QtBot) -> None:
    sample = load_sample()
    assert sample is not None
    job = window.runner.create(DataRequest(sample.model, DataChoice(sample.test_data)), "Look at the data")
    with qtbot.waitSignal(window.runner.job_finished, timeout=JOB_MS):
        window.runner.start(job)
        assert not window.actions_["action_language_zh_CN"].isEnabled()
    assert window.actions_["action_language_zh_CN"].isEnabled()


def test_that_the_language_survives_a_restart(chinese: MainWindow, qtbot: QtBot) -> None:
    assert Settings().language == "zh_CN"
    again = build_main_window()
    qtbot.addWidget(again, before_close_func=lambda made: made.runner.close())
    assert again.tabs.tabText(0) == "层 × 位宽"
    assert again.actions_["action_language_zh_CN"].isChecked()


@pytest.mark.parametrize(("system", "menu"), [("zh_CN", "文件(&F)"), ("de_DE", "&File")])
def test_that_the_language_is_that_of_the_system_unless_one_was_chosen(
    monkeypatch: pytest.MonkeyPatch, qapp: QApplication, system: str, menu: str
) -> None:
    locale = QLocale(system)
    monkeypatch.setattr("gui.translation.QLocale.system", lambda: locale)
    monkeypatch.setattr("gui.translation.has_chinese_font", lambda: True)
    try:
        use_language(read_language("never chosen"))
        assert QApplication.translate("Menus", "&File") == menu
        assert QLocale().toString(0.5) == "0.5"
    finally:
        use_language(Language.ENGLISH)


def test_that_one_is_not_many_in_english(qapp: QApplication) -> None:
    use_language(Language.ENGLISH)
    translate: Callable[..., str] = QApplication.translate
    assert translate("GraphTexts", "%n layers", "", 1) == "1 layer"
    assert translate("GraphTexts", "%n layers", "", 2) == "2 layers"


def test_that_a_missing_font_is_said(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, message: Callable[[], str]
) -> None:
    monkeypatch.setattr("gui.translation.QFontDatabase.families", lambda *_: [])
    try:
        window.actions_["action_language_zh_CN"].trigger()
        assert "fonts-wqy-zenhei" in message()
    finally:
        use_language(Language.ENGLISH)


def test_that_the_window_knows_all_that_jobs_say_of_their_progress() -> None:
    said = {text for path in (ROOT / "engine").rglob("*.py") for text in _progress_texts(path)}
    said = {text for text in said if WORD.search(text)}
    assert len(said) > 40
    assert sorted(text for text in said if not find_template(text, PROGRESS)) == []


def _progress_texts(path: Path) -> Iterator[str]:
    """What a module reports, with x for every figure and name; the window never starts what is in `cli`."""
    if "cli" in path.parts:
        return
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and _name_of(call) == "report" and len(call.args) == 3:
            yield from _filled(call.args[2])


def _filled(message: ast.expr) -> Iterator[str]:
    """What a literal says, with x for every figure and name; nothing of what is no literal."""
    if isinstance(message, ast.Constant):
        yield str(message.value)
    elif isinstance(message, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in message.values)


def test_that_the_window_knows_what_a_conversion_warns_of() -> None:
    tree = ast.parse((ROOT / "engine" / "conversion" / "convert.py").read_text(encoding="utf-8"))
    (maker,) = (item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == "_warnings")
    device = ast.parse((ROOT / "engine" / "torch_graph" / "device.py").read_text(encoding="utf-8"))
    calls = (
        call
        for part in (maker, device)
        for call in ast.walk(part)
        if isinstance(call, ast.Call) and _name_of(call) == "append"
    )
    said = [text for call in calls for text in _filled(call.args[0])]
    assert len(said) == len(WARNINGS)
    assert [text for text in said if not find_template(text, WARNINGS)] == []


def test_that_progress_is_said_in_the_language_of_the_window(qapp: QApplication) -> None:
    use_language(Language.CHINESE)
    try:
        assert translate_progress("Calibrating: sample 3 of 128") == "正在校准：样本 3 / 128"
        assert translate_progress("correct: Verifying: checking the file") == "偏置校正: 正在验证：检查文件"
        assert translate_progress("net: Verifying: checking the file") == "net: 正在验证：检查文件"
        assert translate_progress("something new") == "something new"
    finally:
        use_language(Language.ENGLISH)
    assert translate_progress("Calibrating: sample 3 of 128") == "Calibrating: sample 3 of 128"


def test_that_the_reasons_of_an_allocation_are_translated_whole(qapp: QApplication) -> None:
    model = build_summary(4)
    rows = {layer.name: build_row(layer.name, 20.0 + at) for at, layer in enumerate(model.layers)}
    sensitivity = Sensitivity(model.sha256, "net", "quick", 1, "0", rows)
    budget = Budget(size_ratio=0.25)
    plan = allocate(AllocateRequest(model, sensitivity, build_plan(model, 8), budget, Metric.SQNR)).plan
    reasons = [str(plan.layer(name).extra["reason"]) for name in rows]
    reasons += [
        "4 bits: 3.0% of the plan's predicted loss; 2 bits would save 3 kB and remove 1.0%; "
        "8 bits would take 3 kB more and add 1.0%.",
        "4 bits: 3.0% of the plan's predicted loss; 8 bits would take 3 kB more and make that loss 2.0 times as large.",
        "Has the bits of 3, which is locked and shares its weight.",
    ]
    assert [translate_reason(reason) for reason in reasons] == reasons
    use_language(Language.CHINESE)
    try:
        for reason in reasons:
            said = translate_reason(reason)
            assert not WORD.search(_without_units(said.replace(" B", ""))), reason
            assert said.endswith("。")
            assert ("；" in said) == (";" in reason)
    finally:
        use_language(Language.ENGLISH)
