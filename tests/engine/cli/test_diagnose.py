"""`bitsmith diagnose` on the bundled sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.program import run_program
from engine.diagnosis.report import FindingKind, RemedyKind

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def command(sample_model: Path, sample_calibration_data: Path) -> list[str]:
    return ["diagnose", str(sample_model), "--data", str(sample_calibration_data), "--samples", "16"]


def test_that_layers_come_worst_first_with_what_would_help(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program([*command, "--weights", "2"]) == 0
    *paragraphs, ending = capsys.readouterr().out.strip().split("\n\n")
    figures = [float(text.splitlines()[0].rpartition(": ")[2].removesuffix(" dB")) for text in paragraphs]
    assert figures == sorted(figures)
    assert "from float: noise is" in paragraphs[0]
    assert "→" in paragraphs[0]
    assert "4 bits +" in paragraphs[0]
    assert ending.endswith("of 12 layers, 16 samples")


def test_that_json_and_file_say_the_same_with_plans_to_take_over(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "diagnosis.json"
    assert run_program([*command, "--weights", "2", "--layer", "stem*", "--json", "-o", str(output)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(output.read_text(encoding="utf-8"))
    (stem,) = document["layers"]
    assert (stem["name"], stem["bits"]) == ("stem.conv", 2)
    assert {finding["kind"] for finding in stem["findings"]} <= set(FindingKind)
    for remedy in stem["remedies"]:
        assert remedy["kind"] in set(RemedyKind)
        assert remedy["gain_db"] >= 0.5
        assert {"bits", "kernel"} <= set(remedy["plan"])


def test_that_a_plan_is_looked_at_as_it_is(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, sample_model: Path
) -> None:
    plan = tmp_path / "plan.json"
    options = ["--weights", "4", "--activations", "float", "--layer", "head*=2", "--save-plan", str(plan)]
    assert run_program(["convert", str(sample_model), *options, "-o", str(tmp_path / "out.onnx")]) == 0
    capsys.readouterr()
    assert run_program([*command, "--plan", str(plan), "--json"]) == 0
    bits = {layer["name"]: layer["bits"] for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert {width for name, width in bits.items() if name.startswith("head")} == {2}
    assert {width for name, width in bits.items() if not name.startswith("head")} == {4}


def test_that_a_plan_and_a_scheme_do_not_go_together(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program([*command, "--plan", "p.json", "--weights", "4"]) == 2
    assert "--plan says how layers are quantized" in capsys.readouterr().err


def test_that_a_pattern_that_matches_nothing_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program([*command, "--layer", "nothing*"]) == 1
    assert "No layer of digits.onnx matches 'nothing*'" in capsys.readouterr().err
