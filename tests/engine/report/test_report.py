"""A report of the quantized digits model: what it shows, that it is safe, and that its commands do it again."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import onnx
import pytest

from engine.cli.options import read_data
from engine.cli.program import build_parser, run_program
from engine.cli.report import read_benchmark, read_evaluation
from engine.cli.scheme_options import read_scheme
from engine.data_choice_file import load_choice
from engine.errors import BitsmithError, ModelError, OutputError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.numerics.schemes import (
    ActivationMode,
    ActivationRange,
    ActivationType,
    CalibrationMethod,
    InputScaling,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import PlanDefaults, build_plan, load_plan
from engine.report.charts import HeatCell, draw_heatmap
from engine.report.commands import data_options, scheme_options
from engine.report.svg import Axis
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice
from engine.requests.handing_over import ReportRequest, ReportResult
from engine.sensitivity.matrix import load_sensitivity

pytestmark = pytest.mark.timeout(120)
MOST_BYTES = 5_000_000


class Page(HTMLParser):
    """Checks that tags are balanced, and collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, sample_model: Path, sample_calibration_data: Path, sample_test_data: Path
) -> Path:
    """What the commands leave: two results, sensitivity, evaluations, a benchmark."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data = ["--data", str(sample_calibration_data)]
        model = str(sample_model)
        assert run_program(["analyze", model, *data, "--samples", "16", "-o", "sensitivity.json"]) == 0
        for bits in ("8", "4"):
            assert (
                run_program(["convert", model, "--weights", bits, *data, "--samples", "32", "-o", f"net{bits}.onnx"])
                == 0
            )
    return folder


@pytest.fixture
def request_of_all(
    folder: Path, sample_model: Path, sample_calibration_data: Path, sample_test_data: Path
) -> ReportRequest:
    """Everything that a report can show."""
    results = [str(folder / "net8.onnx"), str(folder / "net4.onnx")]
    evaluation = read_evaluation(
        {"model": results[0], "samples": 500, "top1": 98.4, "reference_top1": 98.8, "sqnr_db": 30.5}
    )
    points = [
        {
            "path": path, "file_bytes": Path(path).stat().st_size,
            "latency_ms": {"p50": p50, "p90": 1.2 * p50, "p99": 3 * p50},
            "throughput_per_s": 1000 / p50, "speedup": 0.4 / p50, "rss_bytes": 10_000_000, "runs": 200,
            "latency_quantiles_ms": [p50 * (0.9 + 0.002 * at) for at in range(100)],
        }
        for path, p50 in zip([str(sample_model), *results], (0.4, 0.2, 0.25), strict=True)
    ]  # fmt: skip
    benchmark = read_benchmark({"models": points, "threads": 1, "batch": 1, "cpu": "A <CPU>", "runtime": "onnxruntime"})
    return ReportRequest(
        str(sample_model), "", tuple(results), sensitivity=load_sensitivity(folder / "sensitivity.json"),
        evaluations=(evaluation,), benchmark=benchmark, data=DataChoice(str(sample_calibration_data)),
        evaluation_data=DataChoice(str(sample_test_data), skip=10), calibration_samples=32,
    )  # fmt: skip


def write(request: ReportRequest, output: Path) -> str:
    result = run_request(dataclasses.replace(request, output=str(output)), JobContext())
    assert isinstance(result, ReportResult)
    assert result.file_bytes == output.stat().st_size < MOST_BYTES
    return output.read_text("utf-8")


def test_that_everything_is_shown_and_nothing_is_fetched(request_of_all: ReportRequest, tmp_path: Path) -> None:
    text = write(request_of_all, tmp_path / "report.html")
    page = Page(text)
    words = " ".join(page.words)
    for title in ("Summary", "Trade-off", "Layers × bits", "Plan", "Worst layers", "Benchmark", "Environment"):
        assert title in words
    # sizes, front, heatmap, six distributions, latencies, their distribution
    assert page.tags.count("svg") == 3 + 6 + 2
    assert [value for name, value in page.attributes if name == "role"] == ["img"] * page.tags.count("svg")
    assert re.search(r"net8\.onnx is 3\.\d× smaller", words)
    assert "98.40 % on 500 samples (-0.40 points against float)" in words
    assert "2.00× as fast" in words
    assert "A <CPU>" in words
    sensitivity = request_of_all.sensitivity
    assert sensitivity is not None
    for layer, row in sensitivity.rows.items():
        assert layer in words
        assert f"{next(iter(row.cells.values())).values['sqnr_db']:.1f}" in words  # type: ignore[index]
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href") and not str(value).startswith("#")]
    assert "url(" not in text
    assert not [path for path in tmp_path.iterdir() if path.name != "report.html"]


def test_that_names_of_the_model_cannot_become_markup(tmp_path: Path, sample_model: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    model = onnx.load(sample_model)
    for initializer in model.graph.initializer:
        for node in model.graph.node:
            node.input[:] = [f"{evil}{name}" if name == initializer.name else name for name in node.input]
        initializer.name = f"{evil}{initializer.name}"
    path = tmp_path / "<b>net.onnx"
    onnx.save(model, path)
    plan = build_plan(open_model(path).summary, 4)
    page = Page(write(ReportRequest(str(path), "", plan=plan), tmp_path / "report.html"))
    assert not {"img", "b "} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert evil in " ".join(page.words)


def test_that_an_unconverted_plan_is_kept_beside_the_report(request_of_all: ReportRequest, tmp_path: Path) -> None:
    plan = build_plan(open_model(request_of_all.model).summary, 2)
    request = dataclasses.replace(request_of_all, plan=plan)
    words = " ".join(Page(write(request, tmp_path / "report.html")).words)
    assert load_plan(tmp_path / "report.current-plan.json") == plan
    assert "Convert with the current plan" in words


def test_that_the_printed_commands_give_the_same_bytes_again(
    request_of_all: ReportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = write(request_of_all, tmp_path / "report.html")
    commands = [shlex.split(" ".join(Page(block).words)) for block in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL)]
    verbs = [command[1] for command in commands]
    assert verbs == ["inspect", "analyze", "convert", "convert", "evaluate", "benchmark", "report"]
    monkeypatch.chdir(tmp_path)
    assert run_program(commands[1][1:]) == 0
    found, expected = load_sensitivity(tmp_path / "sensitivity.json"), request_of_all.sensitivity
    assert found == expected
    again = [str(tmp_path / "again.onnx") if part.endswith("net4.onnx") else part for part in commands[3][1:]]
    assert run_program(again) == 0
    assert (tmp_path / "again.onnx").read_bytes() == Path(request_of_all.results[1]).read_bytes()
    capsys.readouterr()
    evaluate, benchmark, report = commands[4], commands[5], commands[6]
    assert evaluate[-2:] == [">", "net8.evaluation.json"]
    assert benchmark[-2:] == [">", "benchmark.json"]
    document = {"model": request_of_all.results[0], "samples": 500, "top1": 98.4}
    (tmp_path / evaluate[-1]).write_text(json.dumps(document), encoding="utf-8")
    arguments = build_parser().parse_args(report[1:])
    assert arguments.results == list(request_of_all.results)
    assert read_data(arguments) == request_of_all.data
    for command in (evaluate[1:-2], benchmark[1:-2]):
        assert read_data(build_parser().parse_args(command)) == request_of_all.evaluation_data


def test_that_results_of_one_name_are_evaluated_into_files_of_their_own(
    request_of_all: ReportRequest, folder: Path, tmp_path: Path
) -> None:
    for path in folder.glob("net8.*"):
        shutil.copyfile(path, tmp_path / path.name)
    first, second = request_of_all.results[0], str(tmp_path / "net8.onnx")
    known = request_of_all.evaluations[0]
    evaluations = (known, dataclasses.replace(known, model=second))
    request = dataclasses.replace(request_of_all, results=(first, second), evaluations=evaluations)
    commands = commands_of(write(request, tmp_path / "report.html"))
    targets = {command[2]: command[-1] for command in commands if command[1] == "evaluate"}
    assert targets == {first: "net8.evaluation.json", second: "net8-2.evaluation.json"}
    arguments = build_parser().parse_args(commands[-1][1:])
    assert arguments.evaluations == list(targets.values())


@pytest.mark.parametrize(
    "defaults",
    [
        PlanDefaults(),
        PlanDefaults(ActivationMode.FLOAT, weight_only_kernel=Kernel.NBITS, group_size=64),
        PlanDefaults(ActivationMode.DYNAMIC, asymmetric=True, reduce_range=True, portable=True, rounding=Rounding.GPTQ),
        PlanDefaults(range_method=RangeMethod.PERCENTILE, weight_percentile=99.0),
        PlanDefaults(activation_range=ActivationRange(CalibrationMethod.PERCENTILE, 99.5)),
        PlanDefaults(per_tensor=True, equalize=True, correct_bias=True),
        PlanDefaults(input_scaling=InputScaling.SMOOTH, distillation_steps=20),
        PlanDefaults(activation_type=ActivationType.INT8),
    ],
)
def test_that_options_in_a_command_are_read_back_as_the_scheme(defaults: PlanDefaults) -> None:
    arguments = ["analyze", "net.onnx", "--data", "d.npz", *scheme_options(defaults), "-o", "s.json"]
    assert read_scheme(build_parser().parse_args(arguments)) == defaults


def test_that_options_in_a_command_are_read_back_as_the_data() -> None:
    choice = DataChoice("my data", __file__, 3, seed=7, label_file="l.csv", tokenizer="t.json")
    arguments = ["convert", "net.onnx", *data_options(choice), "-o", "out.onnx"]
    assert read_data(build_parser().parse_args(arguments)) == choice


def test_that_a_report_of_nothing_but_a_model_is_short(tmp_path: Path, sample_model: Path) -> None:
    page = Page(write(ReportRequest(str(sample_model), ""), tmp_path / "report.html"))
    assert page.tags.count("h2") == 3


def test_that_what_does_not_belong_together_is_refused(folder: Path, tmp_path: Path, sample_model: Path) -> None:
    loose = tmp_path / "loose.onnx"
    shutil.copyfile(folder / "net8.onnx", loose)
    other = tmp_path / "other.onnx"
    model = onnx.load(sample_model)
    model.producer_name = "somebody else"
    onnx.save(model, other)
    result = str(folder / "net8.onnx")
    output = str(tmp_path / "report.html")
    for request, words in (
        (ReportRequest(str(sample_model), output, (str(loose),)), "no manifest beside it"),
        (ReportRequest(str(other), output, (result,)), "made from another model"),
    ):
        with pytest.raises(BitsmithError, match=words):
            run_request(request, JobContext())
    with pytest.raises(OutputError, match=r"must end in \.html"):
        run_request(ReportRequest(str(sample_model), str(tmp_path / "net.onnx")), JobContext())
    assert not (tmp_path / "report.html").exists()


def test_that_ticks_are_round_and_inside_the_axis() -> None:
    assert Axis(0.13, 1.02, 0, 100).ticks() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert Axis(0.8, 45, 0, 100, is_log=True).ticks() == [1, 2, 5, 10, 20]
    axis = Axis(1, 100, 0, 200, is_log=True)
    assert (axis(1), axis(10), axis(100), axis(1000)) == (0, 100, 200, 200)
    assert math.isclose(Axis(5, 5, 0, 10)(5), 5)


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent (apt-get install chromium)")
def test_that_chromium_draws_every_chart_without_errors(request_of_all: ReportRequest, tmp_path: Path) -> None:
    write(request_of_all, tmp_path / "report.html")
    # A copy without the policy that forbids scripts asks the browser itself what it has drawn.
    probe = (
        "<script>onload = () => { const drawn = [...document.querySelectorAll('svg')].map(svg => { const box = "
        "svg.getBBox(); return box.width > 100 && box.height > 40; }); const bad = "
        "performance.getEntriesByType('resource').length; document.title = 'drawn ' + drawn.filter(Boolean).length + "
        "' of ' + drawn.length + ', fetched ' + bad + ', errors ' + (window.failures || 0); }; "
        "onerror = () => { window.failures = (window.failures || 0) + 1; };</script></head>"
    )
    text = re.sub(r"<meta http-equiv=[^>]*>", "", (tmp_path / "report.html").read_text("utf-8"))
    (tmp_path / "probe.html").write_text(text.replace("</head>", probe, 1), encoding="utf-8")
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000",
    ]  # fmt: skip

    def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=90, check=True)

    probed = browse("--dump-dom", (tmp_path / "probe.html").as_uri())
    title = re.search(r"<title>(.*?)</title>", probed.stdout)
    assert title is not None
    assert title[1] == "drawn 11 of 11, fetched 0, errors 0"
    picture = tmp_path / "report.png"
    shown = browse("--window-size=1100,5000", f"--screenshot={picture}", (tmp_path / "report.html").as_uri())
    assert "CONSOLE" not in shown.stderr
    assert picture.stat().st_size > 100_000


def commands_of(text: str) -> list[list[str]]:
    return [shlex.split(" ".join(Page(block).words)) for block in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL)]


@pytest.mark.parametrize(
    ("defaults", "input_range", "words"),
    [
        (PlanDefaults(equalize=True), None, ["weight ranges evened out across layers", "clipped to 0.8 of the range"]),
        (
            PlanDefaults(correct_bias=True, reduce_range=True),
            (-1.0, 2.0),
            ["biases corrected", "reduced range, clipped to 0.8 of the range, input -1 to 2"],
        ),
    ],
)
def test_that_commands_of_samples_that_options_cannot_name_give_the_same_bytes(
    tmp_path: Path, sample_model: Path, sample_calibration_data: Path, sample_test_data: Path,
    defaults: PlanDefaults, input_range: tuple[float, float] | None, words: list[str],
) -> None:  # fmt: skip
    choice = DataChoice(str(sample_calibration_data), seed=3, skip=2, take=24, excluded=(0, 7))
    plan = build_plan(open_model(sample_model).summary, 4, defaults)
    name = next(name for name, layer in plan.layers.items() if layer.kernel == Kernel.QLINEAR)
    layer = plan.layer(name)
    clipped = dataclasses.replace(layer, weights=dataclasses.replace(layer.weights, clip=0.8), input_range=input_range)
    plan = plan.with_layers({name: clipped})
    output = tmp_path / "net.onnx"
    run_request(ConvertRequest(str(sample_model), plan, str(output), choice, samples=24), JobContext())
    evaluation = DataChoice(str(sample_test_data), seed=0, excluded=(5,))
    request = ReportRequest(
        str(sample_model), "", (str(output),), data=choice, evaluation_data=evaluation, calibration_samples=24,
    )  # fmt: skip
    text = write(request, tmp_path / "net.html")
    commands = commands_of(text)
    again = [str(tmp_path / "again.onnx") if part == str(output) else part for part in commands[1][1:]]
    assert run_program(again) == 0
    assert (tmp_path / "again.onnx").read_bytes() == output.read_bytes()
    report = build_parser().parse_args(commands[-1][1:])
    assert read_data(report) == choice
    assert load_choice(Path(report.evaluation_data)) == evaluation
    shown = " ".join(Page(text).words)
    assert [part for part in words if part not in shown] == []
    assert load_plan(tmp_path / "net.plan.json") == plan


def test_that_a_plan_that_is_no_result_never_takes_the_place_of_one_that_is(folder: Path, sample_model: Path) -> None:
    before = load_plan(folder / "net8.plan.json")
    plan = build_plan(open_model(sample_model).summary, 2)
    write(ReportRequest(str(sample_model), "", (str(folder / "net8.onnx"),), plan=plan), folder / "net8.html")
    assert load_plan(folder / "net8.plan.json") == before
    assert load_plan(folder / "net8.current-plan.json") == plan


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers", "many"), ("file_bytes", "small"), ("sqnr_db", "x"), ("warnings", [1]), ("source", None)],
)
def test_that_a_manifest_with_other_types_is_refused(
    folder: Path, tmp_path: Path, sample_model: Path, key: str, value: object
) -> None:
    for name in ("net8.onnx", "net8.plan.json"):
        shutil.copyfile(folder / name, tmp_path / name)
    manifest = json.loads((folder / "net8.manifest.json").read_text("utf-8")) | {key: value}
    (tmp_path / "net8.manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    request = ReportRequest(str(sample_model), str(tmp_path / "r.html"), (str(tmp_path / "net8.onnx"),))
    with pytest.raises(ModelError, match="is no manifest of a conversion"):
        run_request(request, JobContext())


@pytest.mark.parametrize(("option", "document"), [
    ("--evaluations", {"model": "net8.onnx", "samples": 5, "top1": "all"}),
    ("--benchmark", {"models": [{
        "path": "n", "file_bytes": 1, "latency_ms": {"p50": 0, "p90": 1, "p99": 1}, "throughput_per_s": 1,
        "speedup": 1, "runs": 1,
    }], "threads": 1, "batch": 1, "cpu": "", "runtime": ""}),
    ("--data", {"bitsmith_data": 1, "path": 5}),
])  # fmt: skip
def test_that_documents_with_other_types_are_refused(
    folder: Path, tmp_path: Path, sample_model: Path, option: str, document: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.json").write_text(json.dumps(document), encoding="utf-8")
    results = ["--results", str(folder / "net8.onnx")]
    output = ["-o", str(tmp_path / "r.html")]
    assert run_program(["report", str(sample_model), *results, option, str(tmp_path / "d.json"), *output]) == 1
    assert "d.json is " in capsys.readouterr().err


def test_that_a_layer_that_loses_everything_is_drawn_as_the_worst() -> None:
    def fills(*damages: float) -> list[str]:
        cells = [HeatCell(damage, "x", "x") for damage in damages]
        return re.findall(r'fill="(#\w+)" class="cell"><title>a', draw_heatmap("t", ["8"], [("a", cells)]))

    assert fills(1.0, math.inf) == fills(1.0, 10.0)
    assert len(fills(1.0, math.nan, 10.0)) == 2


@pytest.mark.parametrize("change", [{"file_bytes": 10**400}, {"rss_bytes": -1}, {"runs": "many"}])
def test_that_a_benchmark_of_impossible_counts_is_refused(change: dict[str, object]) -> None:
    latencies = {"p50": 1.0, "p90": 1.0, "p99": 1.0}
    model = {
        "path": "m.onnx", "file_bytes": 1, "latency_ms": latencies, "throughput_per_s": 1.0, "speedup": 1.0,
        "rss_bytes": 1, "runs": 3,
    }  # fmt: skip
    document = {"threads": 1, "batch": 1, "cpu": "", "runtime": ""}
    assert read_benchmark({**document, "models": [model]}).points[0].runs == 3
    with pytest.raises(ValueError, match=r"count|int"):
        read_benchmark({**document, "models": [{**model, **change}]})
