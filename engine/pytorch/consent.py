"""Consent to load one file that could run code: the sentences, and which file they are about.

Plain text and the standard library only, so that the window can use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

CONSENT_QUESTION = (
    "{danger}.\n\nOpening it means running what is in it, with your rights: it could read, change or delete your "
    "files, or send them elsewhere. Open it only if you trust whoever made this very file. "
    "Bitsmith will ask again for any other file, and for this one if it changes."
)
CONSENT_ACCEPT = "Run its code and open"
_FINGERPRINT = re.compile(r"SHA-256 ([0-9a-f]{64})")


def describe_danger(path: Path, sha256: str, reasons: Sequence[str]) -> str:
    """Why a file is not opened, what could happen, and how to consent."""
    shown = "; ".join(reasons[:2]) + ("; and more" if len(reasons) > 2 else "")
    return (
        f"{path} can run code on this computer when it is loaded ({shown}), so it was not opened. "
        "Export the model with torch.export.save or torch.onnx.export instead; or, if you trust whoever made this "
        f"very file (SHA-256 {sha256}), open it with --trust-file."
    )


def describe_other_consent(path: Path, sha256: str) -> str:
    """The file is not the one that consent was given to."""
    return (
        f"{path} is not the file that you agreed to load: it has SHA-256 {sha256} now. Check where it comes from, "
        "then decide again."
    )


def read_danger(sentence: str) -> str:
    """What of a refusal belongs into the question: which file, and what it asks for."""
    return sentence.partition(", so it was not opened")[0].partition(". Check where")[0]


def read_fingerprint(sentence: str) -> str | None:
    """The SHA-256 that a refusal names, to be put into `OpenRequest.trusted_sha256`; None if it names none."""
    match = _FINGERPRINT.search(sentence)
    return match[1] if match else None
