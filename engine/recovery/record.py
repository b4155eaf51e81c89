"""What was measured, on disk, so that a cancelled climb goes on where it stopped, after a restart, too."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable

from engine.cache_folder import cache_folder
from engine.requests.conversion import Evaluation

KEPT_RECORDS = 64
VERSION = "recovery 2"


class Record:
    """Evaluations by digest of the plan: one file per model, data and numbers of samples."""

    def __init__(self, key: Iterable[str], *, is_fresh: bool) -> None:
        """Read what there is for `key`: whatever an evaluation depends on besides the plan."""
        folder = cache_folder("recovery")
        digest = hashlib.sha256("\0".join((VERSION, *key)).encode()).hexdigest()
        self._path = folder / f"{digest[:32]}.json"
        self._found = {} if is_fresh else self._read()

    def get(self, plan: str) -> Evaluation | None:
        """What was measured of the plan with this digest; None if nothing was."""
        return self._found.get(plan)

    def add(self, plan: str, found: Evaluation) -> None:
        """Keep an evaluation. A full disk costs the resume, not the recovery."""
        self._found[plan] = found
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            document = {digest: dataclasses.asdict(item) for digest, item in self._found.items()}
            temporary.write_text(json.dumps(document), encoding="utf-8")
            os.replace(temporary, self._path)
            self._prune()
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _read(self) -> dict[str, Evaluation]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return {digest: Evaluation(**item) for digest, item in document.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _prune(self) -> None:
        kept = sorted(self._path.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-KEPT_RECORDS]:
            path.unlink(missing_ok=True)
