"""Recovery: climbs to the target, keeps the best so far, stops in time, and goes on where it was."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import onnx
import pytest

from engine.errors import JobCancelled, OutputError, PlanError
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.jobs.operations.conversion import run_convert
from engine.jobs.operations.opened_models import open_cached
from engine.model.opened import open_model
from engine.numerics.schemes import Rounding
from engine.plan import build_plan, load_plan
from engine.recovery.climbing import recover
from engine.recovery.ladder import vary_layers
from engine.recovery.report import RecoverForecast, RecoverResult, RecoverStep
from engine.recovery.targets import Ending, Rung, Target, TargetKind
from engine.requests.conversion import ConvertRequest, ConvertResult, Evaluation
from engine.requests.data import DataChoice
from engine.requests.recovery import RecoverForecastRequest, RecoverRequest

SAMPLE = Path(__file__).parents[3] / "resources" / "sample"
MODEL = str(SAMPLE / "digits.onnx")
UNREACHABLE = Target(TargetKind.SQNR, 200.0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))


@pytest.fixture
def request_for(tmp_path: Path) -> RecoverRequest:
    return RecoverRequest(
        MODEL,
        build_plan(open_cached(MODEL).summary, 2),
        DataChoice(str(SAMPLE / "digits_calibration.npz")),
        DataChoice(str(SAMPLE / "digits_test.npz")),
        str(tmp_path / "out.onnx"),
        UNREACHABLE,
        samples=32,
        evaluation_samples=100,
        rungs=(Rung.START, Rung.GPTQ),
    )


class Listener(JobContext):
    """Collects the steps; cancels after so many."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.steps: list[RecoverStep] = []
        self._after = after

    def on_partial(self, payload: object) -> None:
        if isinstance(payload, RecoverStep):
            self.steps.append(payload)
            if len(self.steps) == self._after:
                self.cancel()


def run(request: RecoverRequest, context: JobContext | None = None) -> RecoverResult:
    result = run_request(request, context or JobContext())
    assert isinstance(result, RecoverResult)
    return result


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_that_it_stops_once_the_target_is_met(request_for: RecoverRequest) -> None:
    result = run(dataclasses.replace(request_for, target=Target(TargetKind.DROP, 99.0)))
    assert result.ending == Ending.MET
    assert [step.rung for step in result.steps] == [Rung.START]
    assert result.conversion.output == request_for.output


def test_that_it_climbs_and_leaves_what_the_best_plan_converts_to(request_for: RecoverRequest, tmp_path: Path) -> None:
    result = run(request_for)
    assert result.ending == Ending.TOP
    assert [step.rung for step in result.steps] == [Rung.START, Rung.GPTQ]
    first, second = (step.found.sqnr_db for step in result.steps)
    assert first is not None
    assert second is not None
    assert second > first + 3
    assert result.best.rung == Rung.GPTQ
    assert load_plan(tmp_path / "out.plan.json").digest == result.best.plan.digest
    again = tmp_path / "again" / "out.onnx"
    again.parent.mkdir()
    run_convert(
        ConvertRequest(MODEL, result.best.plan, str(again), request_for.data, samples=request_for.samples), JobContext()
    )
    assert digest(again) == digest(request_for.output)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.manifest.json", "out.onnx", "out.plan.json"]


def test_that_a_worse_plan_never_replaces_a_better_one(request_for: RecoverRequest) -> None:
    good = request_for.plan.with_layers(
        {name: dataclasses.replace(layer, rounding=Rounding.GPTQ) for name, layer in request_for.plan.layers.items()}
    )
    heard = Listener(after=4)
    with pytest.raises(JobCancelled):
        run(dataclasses.replace(request_for, plan=good, rungs=(Rung.START, Rung.MIX)), heard)
    first, *others = heard.steps
    assert all(step.rung == Rung.MIX and step.layer for step in others)
    best = max(heard.steps, key=lambda step: step.found.sqnr_db or 0.0)
    assert [step.is_best for step in heard.steps][heard.steps.index(best) :].count(True) == 1
    assert load_plan(Path(request_for.output).with_suffix(".plan.json")).digest == best.plan.digest
    assert first.is_best


def test_that_a_cancelled_run_leaves_the_best_and_the_next_goes_on(request_for: RecoverRequest) -> None:
    with pytest.raises(JobCancelled):
        run(request_for, Listener(after=1))
    assert load_plan(Path(request_for.output).with_suffix(".plan.json")).digest == request_for.plan.digest
    converted: list[str] = []

    def convert(request: ConvertRequest, context: JobContext) -> ConvertResult:
        converted.append(request.plan.digest)
        return run_convert(request, context)

    result = recover(open_cached(MODEL), request_for, convert, JobContext())
    assert converted == [result.best.plan.digest]
    assert result.steps[0].seconds == 0.0
    assert result.best.rung == Rung.GPTQ


def test_that_a_resumed_run_writes_the_best_before_anything_new_is_measured(
    request_for: RecoverRequest, tmp_path: Path
) -> None:
    run(request_for)
    elsewhere = tmp_path / "elsewhere.onnx"
    heard: list[object] = []
    context = CallbackContext(partial_ready=heard.append)

    def convert(request: ConvertRequest, inner: JobContext) -> ConvertResult:
        if request.output != str(elsewhere):
            context.cancel()
        return run_convert(request, inner)

    again = dataclasses.replace(request_for, output=str(elsewhere), rungs=(Rung.START, Rung.GPTQ, Rung.ADAROUND))
    with pytest.raises(JobCancelled):
        recover(open_cached(MODEL), again, convert, context)
    steps = [payload for payload in heard if isinstance(payload, RecoverStep)]
    assert [step.rung for step in steps] == [Rung.START, Rung.GPTQ]
    assert [payload.output for payload in heard if isinstance(payload, ConvertResult)] == [str(elsewhere)]
    assert load_plan(elsewhere.with_suffix(".plan.json")).digest == steps[1].plan.digest
    assert digest(elsewhere) == digest(request_for.output)


def test_that_other_samples_and_other_weights_are_measured_anew(request_for: RecoverRequest, tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    onnx.save(onnx.load(MODEL), model, save_as_external_data=True, location="net.data", size_threshold=0)
    plan = build_plan(open_model(model).summary, 8)
    request = dataclasses.replace(request_for, model=str(model), plan=plan, rungs=(Rung.START,))

    def is_measured(request: RecoverRequest) -> bool:
        return recover(open_model(model), request, run_convert, JobContext()).steps[0].seconds > 0

    assert is_measured(request)
    assert not is_measured(request)
    later = dataclasses.replace(request, evaluation=dataclasses.replace(request.evaluation, skip=50))
    assert is_measured(later)
    stamp = (tmp_path / "net.data").stat()
    os.utime(tmp_path / "net.data", ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**9))
    assert is_measured(request)


def test_that_time_ends_it_with_the_first_plan_measured(request_for: RecoverRequest) -> None:
    result = run(dataclasses.replace(request_for, seconds=0.0))
    assert result.ending == Ending.TIME
    assert [step.rung for step in result.steps] == [Rung.START]
    assert Path(request_for.output).is_file()


def test_that_locked_layers_keep_their_method(request_for: RecoverRequest) -> None:
    names = [layer.name for layer in open_cached(MODEL).layers]
    locked = request_for.plan.with_lock(names[:2], locked=True)
    result = run(dataclasses.replace(request_for, plan=locked))
    assert [result.best.plan.layer(name).rounding for name in names[:3]] == [
        Rounding.NEAREST, Rounding.NEAREST, Rounding.GPTQ
    ]  # fmt: skip
    assert not {name for name, _ in vary_layers(locked)} & set(names[:2])
    with pytest.raises(PlanError, match="nothing to recover"):
        run(dataclasses.replace(request_for, plan=request_for.plan.with_lock(names, locked=True)))


def test_that_files_of_others_are_left_alone(request_for: RecoverRequest, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="onnx"):
        run(dataclasses.replace(request_for, output=str(tmp_path / "out.safetensors")))
    other = tmp_path / "out.plan.json"
    other.write_text("mine")
    with pytest.raises(OutputError, match="Move it"):
        run(request_for)
    assert other.read_text() == "mine"


def test_that_the_forecast_names_what_is_asked_for(request_for: RecoverRequest) -> None:
    forecast = run_request(RecoverForecastRequest(request_for), JobContext())
    assert isinstance(forecast, RecoverForecast)
    assert [rung for rung, _ in forecast.seconds] == [Rung.START, Rung.GPTQ]
    assert all(seconds > 0 for _, seconds in forecast.seconds)


@pytest.mark.parametrize(
    ("target", "reached", "is_met"),
    [
        (Target(TargetKind.DROP, 1.0), 2.0, False),
        (Target(TargetKind.DROP, 2.0), 2.0, True),
        (Target(TargetKind.SQNR, 15.0), 14.0, False),
        (Target(TargetKind.PERPLEXITY, 9.9), 10.0, False),
        (Target(TargetKind.PERPLEXITY, 10.1), 10.0, True),
    ],
)
def test_what_a_target_takes(target: Target, reached: float, is_met: bool) -> None:
    found = Evaluation("m", "r", 10, top1=78.0, reference_top1=80.0, sqnr_db=14.0, perplexity=5.5,
                       reference_perplexity=5.0)  # fmt: skip
    assert target.reached(found) == pytest.approx(reached)
    assert target.is_met(found) is is_met
