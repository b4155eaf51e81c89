"""Pictures of the real window at work on the bundled sample: for the README and for `bitsmith demo`.

Drives the window as a user would (actions by name, session and workflow for what a dialog would ask),
in its own settings, with results in a temporary folder. Works on the offscreen platform.
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QWidget

from engine.plan import build_plan
from engine.requests.allocation import Budget
from gui.app import build_main_window
from gui.distributions.view_bar import Subject
from gui.photographer import ASIDE, Condition, Photographer, Steps
from gui.settings import Settings
from gui.theme import ThemeMode
from gui.translation import Language

SIZE = (1360, 860)
MIXED_RATIO = 0.2
SELECTED_LAYER = "block2.conv1"
DIALOGS = ("data", "analyse", "auto_assign", "convert", "export", "edit_layers", "thresholds", "keys", "palette")


def take_pictures(folder: Path, *, has_every_page: bool = False) -> int:
    """Write numbered PNG files into `folder` and return the exit status; a failure is one line on stderr.

    Args:
        has_every_page: write every page and dialog in both themes and both languages, too, into a folder in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("[0-9][0-9]_*.png"), *(folder / ASIDE).glob("*.png")):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="bitsmith-pictures-", ignore_cleanup_errors=True) as work:
        settings = str(Path(work) / "settings")
        for variable in ("XDG_STATE_HOME", "LOCALAPPDATA"):  # neither shows nor leaves work that was not saved
            os.environ[variable] = work
        for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
            QSettings.setPath(kind, QSettings.Scope.UserScope, settings)
        stored = Settings()
        stored.language, stored.theme = Language.ENGLISH, ThemeMode.DARK
        stored.results_folder, stored.open_folder = Path(work), work
        application = QApplication.instance() or QApplication(["bitsmith"])
        window = build_main_window()
        window.resize(*SIZE)
        window.show()
        photographer = Photographer(window, folder, partial(_tour, work=Path(work), has_every_page=has_every_page))
        photographer.start()
        application.exec()
        window.close()
        problem = photographer.problem
        if problem:
            sys.stderr.write(f"bitsmith: {problem}\n")
        return 1 if problem else 0


def _tour(camera: Photographer, work: Path, *, has_every_page: bool) -> Steps:
    window, session = camera.window, camera.window.session
    yield camera.settled()
    camera.shoot("start")
    camera.trigger("action_open_sample")
    yield lambda: session.evaluation_data is not None and camera.is_idle()
    session.select(SELECTED_LAYER)
    yield camera.settled()
    camera.shoot("opened")
    if has_every_page:
        yield from _shoot_pages(camera, "empty")
        window.tabs.setCurrentWidget(window.layers_page)
    yield from _analyse(camera)
    window.workflow.search.allocate(Budget(size_ratio=MIXED_RATIO))
    yield camera.is_idle
    yield camera.settled()
    camera.shoot("analysed")
    window.tabs.setCurrentWidget(window.distributions_page)
    yield camera.settled()
    camera.shoot("distributions")
    yield from _convert_and_compare(camera, work)
    for page, name in ((window.tradeoff_page, "tradeoff"), (window.graph_page, "graph")):
        window.tabs.setCurrentWidget(page)
        yield camera.settled()
        yield lambda: bool(window.tradeoff_page.points)
        camera.shoot(name)
    camera.trigger("action_theme_light")
    for lit, name in ((window.compare_page, "compared_light"), (window.layers_page, "layers_light")):
        window.tabs.setCurrentWidget(lit)
        yield camera.settled()
        camera.shoot(name)
    camera.trigger("action_theme_dark")
    camera.trigger(f"action_language_{Language.CHINESE}")
    yield camera.settled()
    camera.shoot("layers_chinese")
    camera.trigger(f"action_language_{Language.ENGLISH}")
    yield camera.settled()
    if has_every_page:
        yield from _look_closer(camera)
        yield from _shoot_every_page(camera)


def _analyse(camera: Photographer) -> Steps:
    """Take a picture when the first row has arrived, inside the signal: later it would be too late."""
    session = camera.window.session
    is_taken = False

    def shoot_analysis() -> None:
        nonlocal is_taken
        if not session.is_analysed and not is_taken:
            is_taken = True
            camera.shoot("analysing")

    session.sensitivity_changed.connect(shoot_analysis)
    camera.trigger("action_analyse")
    yield camera.settled()
    camera.shoot("analyse_dialog")
    camera.submit("analyse_dialog")
    yield lambda: session.is_analysed and camera.is_idle()
    session.sensitivity_changed.disconnect(shoot_analysis)


def _convert_and_compare(camera: Photographer, work: Path) -> Steps:
    window, session = camera.window, camera.window.session
    assert session.model is not None
    assert session.plan is not None
    mixed = session.plan
    for name, plan in (
        ("digits_8bit", build_plan(session.model, 8)),
        ("digits_4bit", build_plan(session.model, 4)),
        ("digits_mixed", mixed),
    ):
        session.change_plan(plan, name)
        count = len(session.results)
        window.workflow.convert(work / f"{name}.onnx", 128)
        yield _has_results(camera, count + 1)
        yield camera.settled()
        camera.close_dialogs()
    camera.trigger("action_compare")
    yield lambda: not session.pending_results and camera.is_idle()
    yield camera.settled()
    camera.close_dialogs()
    camera.shoot("compared")
    camera.trigger("action_benchmark")
    yield lambda: session.baseline is not None and camera.is_idle()
    yield camera.settled()
    camera.close_dialogs()
    camera.shoot("benchmarked")


def _has_results(camera: Photographer, count: int) -> Condition:
    return lambda: len(camera.window.session.results) >= count and camera.is_idle()


# --- every page -----------------------------------------------------------------------------------


def _look_closer(camera: Photographer) -> Steps:
    """Measure what the tabs of Compare show on demand, and what the layers read."""
    camera.window.tabs.setCurrentWidget(camera.window.compare_page)
    for name in ("compare_layers_button", "find_samples_button", "why_button"):
        camera.press(name)
        yield camera.is_idle
        yield camera.settled()
        camera.close_dialogs()
    camera.trigger("action_collect")
    yield camera.is_idle
    yield camera.settled()


def _shoot_pages(camera: Photographer, prefix: str) -> Steps:
    tabs = camera.window.tabs
    for at in range(tabs.count()):
        tabs.setCurrentIndex(at)
        yield lambda: type(tabs.currentWidget()) is not QWidget  # what keeps the place of a page
        yield camera.settled()
        camera.shoot_aside(f"{prefix}_{tabs.currentWidget().objectName()}")


def _shoot_every_page(camera: Photographer) -> Steps:
    for language in (Language.ENGLISH, Language.CHINESE):
        camera.trigger(f"action_language_{language}")
        for theme in (ThemeMode.DARK, ThemeMode.LIGHT):
            camera.trigger(f"action_theme_{theme}")
            yield camera.settled()
            prefix = f"{language}_{theme}"
            yield from _shoot_pages(camera, prefix)
            yield from _shoot_parts(camera, prefix)
            for name in DIALOGS:
                camera.trigger(f"action_{name}")
                yield camera.settled()
                camera.shoot_aside(f"{prefix}_{name}_dialog")
                camera.close_dialogs()


def _shoot_parts(camera: Photographer, prefix: str) -> Steps:
    """The tabs of Compare, and the inputs of a layer."""
    window = camera.window
    window.tabs.setCurrentWidget(window.compare_page)
    tabs = window.compare_page.tabs
    for at in range(tabs.count()):
        tabs.setCurrentIndex(at)
        yield camera.settled()
        camera.shoot_aside(f"{prefix}_compare_page_{at}")
    window.tabs.setCurrentWidget(window.distributions_page)
    camera.choose("distribution_subject", Subject.INPUTS)
    yield camera.settled()
    camera.shoot_aside(f"{prefix}_distributions_page_inputs")
    camera.choose("distribution_subject", Subject.WEIGHTS)
