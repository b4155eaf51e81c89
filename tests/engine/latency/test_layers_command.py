"""`bitsmith benchmark --layers`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.program import run_program
from engine.latency import measuring
from engine.latency.figures import latencies_from_json
from tests.engine.models import conv_chain, save_model


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measuring, "SECONDS_PER_VARIANT", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_that_layers_are_listed_with_their_share_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(save_model(conv_chain(channels=16, size=16), tmp_path))
    assert run_program(["benchmark", path, "--layers"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in ("first", "second", "head", "qlinear", "nbits 2", "share", "%"))
    assert run_program(["benchmark", path, "--layers", "--json"]) == 0
    found = latencies_from_json(json.loads(capsys.readouterr().out))
    assert set(found.layers) == {"first", "second", "head"}


def test_that_layers_of_two_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save_model(conv_chain(), tmp_path))
    assert run_program(["benchmark", path, path, "--layers"]) != 0
    assert "one model" in capsys.readouterr().err
