"""Runs the program with somebody at its keyboard: `program.py PART MODEL IMAGES FOLDER`; see test_walk.py.

FOLDER holds what the walk writes, and `pictures` in it, if there is one, gets a picture at every stop.
The worker process imports this file again, so nothing but the standard library is imported at its head.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driver import Driver, Walk

CALIBRATION_SAMPLES = 32
ADJUSTMENTS = 3
KEY_OF_16_BITS, KEY_OF_8_BITS = "2", "3"
AUTOSAVED_S = 5.0
"""So long after a change it has been saved on the side."""


class Tour:
    """The two parts of the walk."""

    def __init__(self, model: Path, images: Path, folder: Path) -> None:
        self._model = model
        self._images = images
        self._folder = folder

    # --- until it is killed ----------------------------------------------------------------------

    def first(self, driver: Driver) -> Walk:
        """The whole loop, then a conversion in which the process is to be killed."""
        yield driver.settled()
        driver.trigger("action_theme_dark")
        driver.trigger("action_language_en")
        yield driver.settled()
        driver.shoot("start")
        yield from self._open(driver)
        yield from self._choose_data(driver)
        yield from self._analyse(driver)
        yield from self._choose_bits(driver)
        yield from self._convert(driver, "mixed")
        yield from self._assign_uniform(driver)
        yield from self._convert(driver, "uniform")
        yield from self._compare(driver)
        yield from self._export(driver)
        yield from self._look_around(driver)
        yield from self._start_what_is_killed(driver)

    def _open(self, driver: Driver) -> Walk:
        driver.press("Ctrl+O")
        yield from driver.enter_file("open_dialog", self._model)
        yield lambda: driver.window.session.model is not None and driver.idle()
        yield driver.settled()
        driver.shoot("opened")

    def _choose_data(self, driver: Driver) -> Walk:
        from PySide6.QtWidgets import QLabel, QSpinBox

        driver.press("Ctrl+D")
        yield driver.opened("data_dialog")
        driver.enter("calibration_path", str(self._images))
        yield lambda: "1 of" in driver.find(QLabel, "preview_name").text()
        driver.find(QSpinBox, "calibration_samples").setValue(CALIBRATION_SAMPLES)
        yield lambda: f"{CALIBRATION_SAMPLES} of" in driver.find(QLabel, "split_statement").text()
        driver.shoot("data")
        driver.click("check_samples")
        yield lambda: "right" in driver.find(QLabel, "check_result").text()
        driver.shoot("data_checked")
        if "fits" not in driver.find(QLabel, "check_result").text():
            driver.click("try_presets")
            yield lambda: "Best" in driver.find(QLabel, "check_result").text()
            driver.shoot("data_presets_tried")
        driver.click("accept_button")
        yield driver.closed("data_dialog")
        yield driver.idle
        assert driver.window.session.data is not None
        assert driver.window.session.data.evaluation is not None

    def _analyse(self, driver: Driver) -> Walk:
        session = driver.window.session
        driver.press("Ctrl+R")
        yield driver.opened("analyse_dialog")
        driver.shoot("analyse_dialog")
        driver.click("accept_button")
        yield lambda: len(session.rows) > len(session.layers) // 3
        driver.shoot("analysing")
        yield lambda: session.is_analysed and driver.idle()
        yield driver.settled()
        driver.shoot("analysed")

    def _choose_bits(self, driver: Driver) -> Walk:
        """A budget of 4×, three layers by keyboard, one of them taken back."""
        from PySide6.QtWidgets import QTableView

        session = driver.window.session
        driver.press("Ctrl+B")
        yield driver.opened("allocate_dialog")
        yield driver.settled()
        driver.shoot("budget")
        driver.click("accept_button")
        yield driver.closed("allocate_dialog")
        yield driver.idle
        yield driver.settled()
        driver.shoot("assigned")
        assert session.figures is not None
        assert session.figures.ratio >= 4, "a quarter of the file is what the dialog offers first"
        table = driver.find(QTableView, "layers")
        table.setFocus()
        driver.press("Ctrl+Home")
        plans = [session.plan]
        for _ in range(ADJUSTMENTS):
            driver.press("Down")
            driver.press(KEY_OF_16_BITS)
            yield driver.settled()
            assert session.plan != plans[-1], session.selected
            plans.append(session.plan)
        driver.shoot("adjusted")
        driver.press("Ctrl+Z")
        yield driver.settled()
        assert session.plan == plans[-2]
        driver.shoot("undone")

    def _assign_uniform(self, driver: Driver) -> Walk:
        driver.press("Ctrl+B")
        yield driver.opened("allocate_dialog")
        driver.click("uniform_8")
        yield driver.closed("allocate_dialog")
        yield driver.settled()

    def _convert(self, driver: Driver, name: str) -> Walk:
        results = len(driver.window.session.results)
        yield from self._start_conversion(driver, f"{name}_dialog")
        yield lambda: len(driver.window.session.results) > results and driver.idle()
        yield driver.settled()
        driver.shoot(f"{name}_converted")
        yield from self._dismiss(driver)

    def _start_conversion(self, driver: Driver, picture: str) -> Walk:
        driver.press("Ctrl+Return")
        yield driver.opened("convert_dialog")
        yield driver.settled()
        driver.shoot(picture)
        driver.click("accept_button")
        yield driver.closed("convert_dialog")

    def _dismiss(self, driver: Driver) -> Walk:
        """Read a message and close it with Return, if there is one."""
        box = driver.dialog("message_box")
        if box is not None:
            driver.press("Return", box)
            yield driver.closed("message_box")

    def _compare(self, driver: Driver) -> Walk:
        session, page = driver.window.session, driver.window.compare_page
        driver.press("Ctrl+M")
        yield lambda: not session.pending_results and driver.idle()
        driver.press("Ctrl+T")
        yield lambda: session.baseline is not None and driver.idle()
        yield driver.settled()
        driver.shoot("benchmark")
        yield from self._dismiss(driver)
        yield driver.turn_to(page)
        for tab, button, name in (
            (page.layers_tab, "compare_layers_button", "error_by_layer"),
            (page.samples_tab, "find_samples_button", "changed_samples"),
            (page.why_tab, "why_button", "why"),
        ):
            yield driver.turn_to(tab)
            driver.click(button)
            yield driver.settled()
            yield driver.idle
            yield driver.settled()
            driver.shoot(name)

    def _export(self, driver: Driver) -> Walk:
        from PySide6.QtWidgets import QComboBox

        driver.press("Ctrl+E")
        yield driver.opened("export_dialog")
        kind = driver.find(QComboBox, "export_kind")
        kind.setFocus()
        driver.press("End", kind)
        bundle = self._folder / "bundle.zip"
        driver.enter("export_path", str(bundle))
        yield driver.settled()
        driver.shoot("export_dialog")
        driver.click("accept_button")
        yield lambda: bool(driver.message())
        assert bundle.is_file(), driver.message()
        driver.shoot("exported")
        yield from self._dismiss(driver)
        report = self._folder / "report.html"
        driver.press("Ctrl+P")
        yield from driver.enter_file("report_dialog", report)
        yield lambda: bool(driver.message())
        assert report.is_file(), driver.message()
        driver.shoot("reported")
        yield from self._dismiss(driver)

    def _look_around(self, driver: Driver) -> Walk:
        """Every page, in both themes and both languages."""
        for language in ("en", "zh_CN"):
            driver.trigger(f"action_language_{language}")
            for theme in ("dark", "light"):
                driver.trigger(f"action_theme_{theme}")
                yield driver.settled()
                window = driver.window
                for at in range(window.tabs.count()):
                    yield driver.turn_to(window.tabs.widget(at))
                    driver.shoot(f"{language}_{theme}_{window.tabs.widget(at).objectName()}")
                tabs = window.compare_page.tabs
                yield driver.turn_to(window.compare_page)
                for at in range(tabs.count()):
                    yield driver.turn_to(tabs.widget(at))
                    driver.shoot(f"{language}_{theme}_compare_{at}")
        driver.trigger("action_language_en")
        driver.trigger("action_theme_dark")
        yield driver.settled()

    def _start_what_is_killed(self, driver: Driver) -> Walk:
        """Change the plan and back, wait until it was saved on the side, and say when a conversion is halfway."""
        from PySide6.QtWidgets import QLabel, QProgressBar, QTableView

        window = driver.window
        yield driver.turn_to(window.layers_page)
        driver.find(QTableView, "layers").setFocus()
        driver.press("Ctrl+Home")
        for key in (KEY_OF_16_BITS, KEY_OF_8_BITS):
            driver.press(key)
            yield driver.pause(AUTOSAVED_S)
        yield from self._start_conversion(driver, "killed_dialog")
        yield lambda: driver.find(QLabel, "job_name").text().startswith("Convert to")
        yield lambda: driver.find(QProgressBar, "job_progress").value() > 0
        driver.shoot("killed_here")
        state = {**_describe(driver), "worker": window.runner.worker_pid}
        (self._folder / "killed.json.part").write_text(json.dumps(state))
        (self._folder / "killed.json.part").rename(self._folder / "killed.json")
        yield lambda: False

    # --- after it was killed ---------------------------------------------------------------------

    def second(self, driver: Driver) -> Walk:
        """What the next start offers, restored and finished."""
        from PySide6.QtWidgets import QLabel

        yield driver.window.restore_bar.isVisible
        assert "ended unexpectedly" in driver.find(QLabel, "restore_text").text()
        yield driver.settled()
        driver.shoot("offered")
        driver.click("restore_button")
        yield lambda: driver.window.session.model is not None and driver.idle()
        yield driver.settled()
        driver.shoot("restored")
        session = driver.window.session
        before = json.loads((self._folder / "killed.json").read_text())
        after = _describe(driver)
        assert after == {key: before[key] for key in after}
        assert session.is_analysed
        yield from self._convert(driver, "finished")
        state = {"outputs": [run.converted.output for run in session.history]}
        (self._folder / "finished.json").write_text(json.dumps(state))
        driver.press("Ctrl+Q")


def _describe(driver: Driver) -> dict[str, object]:
    """What must survive."""
    session = driver.window.session
    assert session.plan is not None
    return {
        "plan": session.plan.digest,
        "cells": len(session.rows),
        "runs": [run.id for run in session.history],
        "evaluations": [run.evaluation is not None for run in session.history],
    }


def main() -> int:
    """Start the program as a user would, with the driver in its event loop."""
    from driver import Driver
    from PySide6.QtWidgets import QApplication

    from main import main as start

    part, model, images, folder = sys.argv[1], *map(Path, sys.argv[2:])
    QApplication([sys.argv[0]])
    tour = Tour(model, images, folder)
    pictures = folder / "pictures" / part
    driver = Driver(tour.first if part == "first" else tour.second, pictures if pictures.is_dir() else None)
    status = start([])
    sys.stderr.write(driver.problem)
    sys.stderr.flush()
    return 1 if driver.problem else status


if __name__ == "__main__":
    sys.exit(main())
