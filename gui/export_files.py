"""Copying a result to where the user wants it, with its plan beside it, on a thread of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal
from typing_extensions import override

from engine.errors import OutputError
from engine.job_context import ensure_writable
from engine.plan import Plan, format_plan


def plan_path_for(target: Path) -> Path:
    """Where the plan of an exported model goes."""
    return target.with_suffix(".plan.json")


def export_result(source: Path, target: Path, plan: Plan) -> None:
    """Copy `source` to `target` and write `plan` beside it; both appear complete or not at all.

    Raises:
        OutputError: the target cannot be written, or the source is gone.
    """
    try:
        if target.exists() and source.samefile(target):
            raise OutputError(f"{target} is the result itself. Choose another name or folder.")
        ensure_writable(target, source.stat().st_size)
        model_copy, plan_copy = _temporary(target), _temporary(plan_path_for(target))
        try:
            shutil.copyfile(source, model_copy)
            plan_copy.write_text(format_plan(plan), encoding="utf-8")
            os.replace(model_copy, target)
            os.replace(plan_copy, plan_path_for(target))
        finally:
            model_copy.unlink(missing_ok=True)
            plan_copy.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot export to {target}: {error.strerror or error}. Choose another folder.") from error


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.bitsmith-tmp")


class ExportThread(QThread):
    """Copies one result.

    Signals:
        failed(str): the sentence that says why; without it the files are there when `finished` comes.
    """

    failed = Signal(str)

    def __init__(self, source: Path, target: Path, plan: Plan, parent: QObject) -> None:
        super().__init__(parent)
        self._source = source
        self.target = target
        self._plan = plan
        self.is_done = False

    @override
    def run(self) -> None:
        try:
            export_result(self._source, self.target, self._plan)
        except OutputError as error:
            self.failed.emit(str(error))
        else:
            self.is_done = True
