"""The climb: plans with better and better methods, each converted, measured, and kept if it is the best so far.

Every plan is measured as the file that it converts to, on samples that no method has seen. What lies at the output
is the best so far at any time, and is what converting its plan again gives.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import engine
from engine.conversion.convert import ensure_output_allowed
from engine.conversion.manifest import ensure_plan_kept, plan_path_for
from engine.data.dataset import open_dataset
from engine.errors import DataError, OutputError, PlanError
from engine.evaluation import evaluate
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.model.opened import Model
from engine.model.opening import external_stamps
from engine.plan import Plan, ensure_plan_fits, load_plan
from engine.pytorch import is_packed_path
from engine.recovery.ladder import TRAINING_STEPS, take_rung, vary_layers
from engine.recovery.record import Record
from engine.recovery.report import RecoverResult, RecoverStep
from engine.recovery.targets import Ending, Rung, Target, TargetKind
from engine.recovery.time_limit import TimeIsUp, TimeLimit
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.recovery import RecoverRequest

# Converts as the window and the command line do.
Convert = Callable[[ConvertRequest, JobContext], ConvertResult]
# Of the time left, what single layers may take before the network is trained as a whole.
MIX_SHARE = 0.25
# Of the time left, what training may take; the rest is for rounding and measuring. Fewer steps are no use.
TRAINING_SHARE = 0.6
FEWEST_STEPS = 20


def recover(model: Model, request: RecoverRequest, convert: Convert, context: JobContext) -> RecoverResult:
    """Climb until the target is met, time is up, or no rung is left.

    The first plan is always measured, however little time there is.

    Raises:
        PlanError: the plan does not fit, or has no layer whose codes could be chosen.
        DataError: the evaluation cannot tell whether the target is met.
        ConversionError, CalibrationError, OutputError: the plan cannot be converted.
        JobCancelled: cancelled; the best so far lies at the output.
    """
    _ensure_possible(model, request)
    climb = _Climb(model, request, convert, context)
    try:
        ending = climb.run()
    except TimeIsUp:
        ending = Ending.TIME
    return climb.finish(ending)


def _ensure_possible(model: Model, request: RecoverRequest) -> None:
    output = Path(request.output)
    if is_packed_path(request.output):
        raise OutputError(f"Recovery measures models in ONNX Runtime. Name an .onnx file instead of {output}.")
    ensure_plan_fits(request.plan, model.summary)
    ensure_output_allowed(output, model.path)
    ensure_plan_kept(output, request.plan)
    if not any(layer.weights.is_integer and not layer.is_locked for layer in request.plan.layers.values()):
        raise PlanError("The plan has no unlocked layer of 8, 4 or 2 bits, so there is nothing to recover.")


class _Climb:
    """Everything measured so far.

    Attributes:
        conversion: of what lies at the output, if this run put it there.
    """

    def __init__(self, model: Model, request: RecoverRequest, convert: Convert, context: JobContext) -> None:
        self._model, self._request, self._convert, self._outer = model, request, convert, context
        self._limit = TimeLimit(context, request.seconds)
        self._steps: list[RecoverStep] = []
        self._best: RecoverStep | None = None
        self._conversion: ConvertResult | None = None
        self._tried: set[str] = set()
        self._record = Record(_record_key(model, request), is_fresh=request.is_fresh)

    def run(self) -> Ending:
        """Try rung after rung; each goes on from the best so far."""
        first = self._try(Rung.START, self._request.plan, self._outer)
        assert first is not None
        self._ensure_measured(first)
        for rung in self._request.rungs:
            if self._is_met():
                return Ending.MET
            for layer, plan in self._plans(rung):
                self._limit.check_cancelled()
                self._try(rung, plan, self._limit, layer)
                if self._is_met():
                    return Ending.MET
        return Ending.TOP

    def finish(self, ending: Ending) -> RecoverResult:
        """See to it that the best so far lies at the output, and say what was found."""
        if self._conversion is None or not self._lies_at_output(self._top.plan):
            self._conversion = self._write_best()
        return RecoverResult(tuple(self._steps), self._top, ending, self._conversion)

    def _ensure_best_kept(self) -> None:
        """Write what an earlier run found best before time goes into anything new: a cancel must not cost it."""
        if self._best is None or self._conversion is not None or self._lies_at_output(self._best.plan):
            return
        self._conversion = self._write_best()
        self._outer.partial(self._conversion)

    def _write_best(self) -> ConvertResult:
        """Convert the plan of the best step to the output."""
        best = self._top
        conversion = self._convert(self._convert_request(best.plan, self._request.output), self._outer)
        self._best = dataclasses.replace(best, conversion=conversion)
        self._steps = [self._best if step is best else step for step in self._steps]
        return conversion

    @property
    def _top(self) -> RecoverStep:
        assert self._best is not None
        return self._best

    def _is_met(self) -> bool:
        return self._request.target.is_met(self._top.found)

    def _plans(self, rung: Rung) -> Iterator[tuple[str, Plan]]:
        """What a rung tries, with the name of the layer that is changed, if it is a single one."""
        if rung == Rung.MIX:
            return self._vary()
        if rung not in TRAINING_STEPS:
            return iter([("", take_rung(rung, self._top.plan))])
        from engine.recovery.forecast import count_steps  # torch

        self._ensure_best_kept()
        dataset = open_dataset(self._request.data, self._model.summary.inputs)
        steps = count_steps(rung, self._model, dataset, TRAINING_SHARE * self._limit.left, self._limit)
        return iter([("", take_rung(rung, self._top.plan, steps=steps))] if steps >= FEWEST_STEPS else [])

    def _vary(self) -> Iterator[tuple[str, Plan]]:
        """Single layers with another method, from the best so far on, until they have had their share of the time."""
        share = MIX_SHARE if TRAINING_STEPS.keys() & set(self._request.rungs) else 1.0
        end = self._limit.elapsed + share * self._limit.left
        names = {name for name, _ in vary_layers(self._top.plan)}
        for name in sorted(names, key=list(self._request.plan.layers).index):
            for layer, plan in vary_layers(self._top.plan):
                if layer == name and self._limit.elapsed < end:
                    yield layer, plan

    def _try(self, rung: Rung, plan: Plan, context: JobContext, layer: str = "") -> RecoverStep | None:
        """Convert and measure a plan, unless that was done; keep it if it is the best so far."""
        if plan.digest in self._tried:
            return None
        self._tried.add(plan.digest)
        plan = dataclasses.replace(plan, provenance=_describe(self._request.plan, rung))
        self._limit.prefix = str(rung)
        start = self._limit.elapsed
        found = self._record.get(plan.digest)
        is_known = found is not None
        if found is None:
            self._ensure_best_kept()
            found = self._measure(plan, context)
            self._record.add(plan.digest, found)
        taken = 0.0 if is_known else self._limit.elapsed - start
        is_best = self._is_better(found)
        conversion = self._conversion if is_best and not is_known else None
        step = RecoverStep(rung, plan, found, taken, self._limit.elapsed, is_best, layer, conversion)
        self._steps.append(step)
        if is_best:
            self._best = step
        self._outer.partial(step)
        return step

    def _measure(self, plan: Plan, context: JobContext) -> Evaluation:
        """Convert beside the output, measure, and move the result there if it is the best so far."""
        request = self._request
        try:
            with context.output(Path(request.output)) as temporary:
                conversion = self._convert(self._convert_request(plan, str(temporary)), context)
                asked = EvaluateRequest(str(temporary), request.evaluation, request.model, request.evaluation_samples)
                found = dataclasses.replace(evaluate(asked, context), model=request.output)
                if not self._is_better(found):
                    raise _NotBetter(found)
        except _NotBetter as worse:
            return worse.found
        self._conversion = dataclasses.replace(conversion, output=request.output)
        return found

    def _convert_request(self, plan: Plan, output: str) -> ConvertRequest:
        asked = self._request
        return ConvertRequest(asked.model, plan, output, asked.data, samples=asked.samples, device=asked.device)

    def _is_better(self, found: Evaluation) -> bool:
        target = self._request.target
        return self._best is None or _rank(target, found) < _rank(target, self._best.found)

    def _lies_at_output(self, plan: Plan) -> bool:
        path = plan_path_for(Path(self._request.output))
        return Path(self._request.output).is_file() and path.is_file() and load_plan(path).digest == plan.digest

    def _ensure_measured(self, step: RecoverStep) -> None:
        if self._request.target.reached(step.found) is None:
            wanted = "tokens" if self._request.target.kind == TargetKind.PERPLEXITY else "class scores"
            raise DataError(
                f"{Path(self._request.evaluation.path).name} and the model give no {wanted}, so the target cannot be "
                "checked. Ask for a least SQNR, or give other data."
            )


def _record_key(model: Model, request: RecoverRequest) -> list[str]:
    """Whatever an evaluation depends on besides the plan."""
    key = [model.summary.sha256, *external_stamps(model.source), engine.__version__, describe_runtime(), describe_cpu()]
    for choice in (request.data, request.evaluation):
        digest = open_dataset(choice, model.summary.inputs).digest
        key += [digest, str(choice.skip), str(choice.take)]
    return [*key, str(request.samples), str(request.evaluation_samples), request.device]


class _NotBetter(Exception):
    """What was converted is not worth keeping."""

    def __init__(self, found: Evaluation) -> None:
        super().__init__()
        self.found = found


def _rank(target: Target, found: Evaluation) -> tuple[bool, float]:
    """Less is better: whether the target is missed, then how far from float.

    Samples are few, so what they lose in top-1 is a rough figure; KL orders plans more finely.
    """
    if target.kind == TargetKind.PERPLEXITY:
        distance = found.perplexity
    elif target.kind == TargetKind.SQNR or found.kl is None:
        distance = None if found.sqnr_db is None else -found.sqnr_db
    else:
        distance = found.kl
    return not target.is_met(found), math.inf if distance is None or math.isnan(distance) else distance


def _describe(plan: Plan, rung: Rung) -> str:
    origin = plan.provenance or "a plan"
    return origin if rung == Rung.START else f"{origin}, recovered ({rung})"
