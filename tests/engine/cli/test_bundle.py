"""`bitsmith bundle` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.program import run_program

pytestmark = pytest.mark.timeout(60)


def test_that_bundle_says_what_it_wrote_and_what_the_service_answered(
    tmp_path: Path,
    sample_model: Path,
    sample_test_data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(f"digit {digit}" for digit in range(10)), encoding="utf-8")
    command = ["bundle", str(sample_model), "--data", str(sample_test_data), "--class-names", "names.txt", "-o"]
    assert run_program([*command, "one", "--version", "1.2.3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["output"] == "one"
    assert document["predicted_name"] == f"digit {document['predicted_class']}"
    assert json.loads(Path("one/manifest.json").read_text("utf-8"))["version"] == "1.2.3"
    assert run_program([*command, "two.zip"]) == 0
    text = capsys.readouterr().out
    assert f"verified: predict.py and the service answered class {document['predicted_class']}" in text
    assert run_program([*command, "two.zip"]) == 1
    assert "two.zip exists already" in capsys.readouterr().err
