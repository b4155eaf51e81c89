"""Copying a result to where the user wants it, with plan and manifest beside it, on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal
from typing_extensions import override

from engine.conversion.manifest import manifest_path_for, plan_path_for, rename_model
from engine.errors import OutputError
from engine.job_context import ensure_writable
from engine.plan import Plan, format_plan


def export_result(source: Path, target: Path, plan: Plan) -> None:
    """Copy `source` to `target`, with its plan and manifest; nothing appears before it is complete.

    Weights in a file of their own keep that file's name, by which the model refers to it.

    Raises:
        OutputError: the target cannot be written, or the source is gone.
    """
    weights = source.with_name(f"{source.name}.data")
    try:
        if target.exists() and source.samefile(target):
            raise OutputError(f"{target} is the result itself. Choose another name or folder.")
        copies = {source: target}
        if weights.exists():
            copies = {weights: target.with_name(weights.name), source: target}
        if any(copy.exists() and copy.samefile(file) for file, copy in copies.items()):
            raise OutputError(f"{target.parent} holds the result itself. Choose another folder.")
        ensure_writable(target, sum(file.stat().st_size for file in copies))
        records = _read_records(source, target, plan)
        targets = [*records, *copies.values()]
        try:
            for file, copy in copies.items():
                shutil.copyfile(file, _temporary(copy))
            for record, text in records.items():
                _temporary(record).write_text(text, encoding="utf-8")
            for item in targets:
                os.replace(_temporary(item), item)
        finally:
            for item in targets:
                _temporary(item).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot export to {target}: {error.strerror or error}. Choose another folder.") from error


def _read_records(source: Path, target: Path, plan: Plan) -> dict[Path, str]:
    """What goes beside `target`; a manifest that was taken away cannot be copied."""
    records = {plan_path_for(target): format_plan(plan)}
    with contextlib.suppress(FileNotFoundError):
        manifest = manifest_path_for(source).read_text(encoding="utf-8")
        records[manifest_path_for(target)] = rename_model(manifest, source.name, target.name)
    return records


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
