"""Tests of what the Data dialog says about a check."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from engine.requests.data import DataCheck
from engine.requests.opening import PresetFit, PresetFits
from gui.data.texts import describe_check, describe_fits


@pytest.mark.parametrize(("folders", "is_blamed"), [(0, False), (30, True), (1000, False)])
def test_that_class_folders_that_are_not_the_classes_are_blamed(
    qapp: QApplication, folders: int, *, is_blamed: bool
) -> None:
    check = describe_check(DataCheck(60, {0: 1, 1: 0, -1: 0}, 1000, folders))
    fits = describe_fits(PresetFits((PresetFit("a", "A", "{}", 1),), 60, 1000, folders))
    for text in (check, fits):
        assert ("30 class folders count as classes 0 to 29" in text and "1,000 classes" in text) == is_blamed


def test_that_right_answers_blame_nobody(qapp: QApplication) -> None:
    assert describe_check(DataCheck(60, {0: 50, 1: 0, -1: 0}, 1000, 30)).endswith("the preprocessing fits.")
    assert "folders" not in describe_fits(PresetFits((PresetFit("a", "A", "{}", 50),), 60, 1000, 30))
