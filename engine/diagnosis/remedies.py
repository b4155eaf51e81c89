"""What would help a layer: choices near its current one that it accepts, each with its predicted gain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator

from engine.diagnosis.noise import LayerNoise
from engine.diagnosis.report import Finding, FindingKind, Remedy, RemedyKind
from engine.diagnosis.weight_findings import GOOD_DB
from engine.errors import ConversionError, PlanError
from engine.numerics.schemes import FLOAT_BITS, Kernel, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.plan import LayerPlan, Plan, choose_layer_plan, is_portable, refuse_layer_plan
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary

# Half a decibel is a noise smaller by a tenth: less is not worth a click.
MIN_GAIN_DB = 0.5
# Of the same kind (groups), the one that stores least within so much of the best.
SAME_GAIN_DB = 0.25
# More than four buttons are no advice.
MOST_REMEDIES = 4
# More bits are offered where nothing else brings noise below a thousandth of the signal, and float where they do not.
ENOUGH_DB = 30.0
GROUP_SIZES = (64, 32, 16)
MORE_BITS = {2: (4, 8), 4: (8,)}
FEWER_BITS = {8: 4, 4: 2}
STATED_REASON = "reason"

WEIGHT_REMEDIES = frozenset(
    {
        RemedyKind.PER_CHANNEL, RemedyKind.GROUPS, RemedyKind.MSE_RANGE, RemedyKind.FULL_RANGE, RemedyKind.SYMMETRIC,
        RemedyKind.ASYMMETRIC,
    }
)  # fmt: skip
INPUT_REMEDIES = frozenset({RemedyKind.STATIC_INPUT, RemedyKind.DYNAMIC_INPUT, RemedyKind.FLOAT_INPUT})
# What speaks for a change of the weight, and of the input.
WEIGHT_CAUSES = frozenset(
    {
        FindingKind.LOW_SQNR, FindingKind.CHANNEL_SPREAD, FindingKind.WIDE_CHANNELS, FindingKind.LOUD_CHANNELS,
        FindingKind.ONE_LARGE_WEIGHT, FindingKind.WEIGHT_OUTLIERS, FindingKind.CLIPPED_WEIGHTS,
    }
)  # fmt: skip
INPUT_CAUSES = frozenset(
    {
        FindingKind.LOW_SQNR, FindingKind.INPUT_ERROR, FindingKind.INPUT_OUTLIERS, FindingKind.CLIPPED_INPUT,
        FindingKind.SKEWED_INPUT,
    }
)  # fmt: skip


def find_remedies(noise: LayerNoise, plan: Plan, findings: Collection[Finding], total: float) -> tuple[Remedy, ...]:
    """Changes that win at least half a decibel, for what was found.

    Args:
        total: the layer's noise as planned, as `LayerNoise.total` gives it.
    """
    causes = {finding.kind for finding in findings}
    wanted = (WEIGHT_REMEDIES if causes & WEIGHT_CAUSES else frozenset()) | (
        INPUT_REMEDIES if causes & INPUT_CAUSES else frozenset()
    )
    tried = (
        _judge(noise, plan, kind, choice, total) for kind, choice in candidates(noise.summary, plan) if kind in wanted
    )
    cheap = [remedy for remedy in tried if remedy is not None and remedy.gain_db >= MIN_GAIN_DB]
    costly: list[Remedy] = []
    needed_db = ENOUGH_DB - noise.sqnr_db(total)
    if causes & WEIGHT_CAUSES and all(remedy.gain_db < needed_db for remedy in cheap):
        costly = list(_find_costly(noise, plan, total, needed_db))
    return (*_best_of_each_kind(cheap)[: MOST_REMEDIES - len(costly)], *costly)


def find_fewer_bits(noise: LayerNoise, plan: Plan, total: float) -> tuple[Finding, Remedy] | None:
    """Fewer bits whose weight noise would still be nothing to speak of."""
    current = plan.layer(noise.summary.name)
    bits = FEWER_BITS.get(current.weights.bits)
    choice = _with_bits(noise.summary, plan, bits) if bits else None
    if choice is None or choice.weights.bits != bits or not is_accepted(noise.summary, plan, choice):
        return None
    sqnr_db = noise.sqnr_db(noise.weight_noise(choice))
    remedy = _judge(noise, plan, RemedyKind.FEWER_BITS, choice, total) if sqnr_db >= GOOD_DB else None
    if remedy is None or remedy.stored_bytes_change >= 0:
        return None
    return Finding(FindingKind.WASTED_BITS, {"bits": bits, "sqnr_db": sqnr_db}), remedy


def candidates(layer: LayerSummary, plan: Plan) -> Iterator[tuple[RemedyKind, LayerPlan]]:
    """Choices one step from the layer's current one, as far as it accepts them."""
    for kind, choice in _steps(layer, plan):
        if choice is not None and is_accepted(layer, plan, choice):
            yield kind, choice


def is_accepted(layer: LayerSummary, plan: Plan, choice: LayerPlan) -> bool:
    """Whether the layer can be converted so, in a portable file if the plan demands one."""
    needs_microsoft = choice.weights.is_integer and not is_portable(layer, choice.kernel)
    return refuse_layer_plan(layer, choice) is None and not (plan.defaults.portable and needs_microsoft)


def _steps(layer: LayerSummary, plan: Plan) -> Iterator[tuple[RemedyKind, LayerPlan | None]]:
    choice = plan.layer(layer.name)
    scheme = choice.weights
    if not scheme.is_integer:
        return
    if isinstance(scheme.granularity, PerTensor):
        yield RemedyKind.PER_CHANNEL, _changed(choice, granularity=PerChannel())
    current = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else layer.inputs_per_channel
    for size in GROUP_SIZES:
        if size < min(current, layer.inputs_per_channel):
            yield RemedyKind.GROUPS, _changed(choice, granularity=PerGroup(size))
    if scheme.clip is not None or scheme.range_method == RangeMethod.MINMAX:
        yield RemedyKind.MSE_RANGE, _changed(choice, range_method=RangeMethod.MSE, clip=None)
    if scheme.clip is not None or scheme.range_method != RangeMethod.MINMAX:
        yield RemedyKind.FULL_RANGE, _changed(choice, range_method=RangeMethod.MINMAX, clip=None)
    kind = RemedyKind.ASYMMETRIC if scheme.symmetric else RemedyKind.SYMMETRIC
    yield kind, _changed(choice, symmetric=not scheme.symmetric)
    if choice.kernel == Kernel.DYNAMIC:
        yield RemedyKind.STATIC_INPUT, _replaced(choice, kernel=Kernel.QLINEAR)
    if choice.kernel == Kernel.QLINEAR:
        yield RemedyKind.DYNAMIC_INPUT, _replaced(choice, kernel=Kernel.DYNAMIC)
    if choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC):
        yield RemedyKind.FLOAT_INPUT, _replaced(choice, kernel=Kernel.FLOAT)


def _with_bits(layer: LayerSummary, plan: Plan, bits: int) -> LayerPlan | None:
    """The default scheme for these bits, on the current kernel where that takes them."""
    current = plan.layer(layer.name)
    made = choose_layer_plan(layer, bits, plan.defaults)
    scheme = made.weights
    if current.kernel == Kernel.NBITS:
        scheme = dataclasses.replace(scheme, granularity=current.weights.granularity)
    kept = _replaced(current, weights=scheme, kernel=current.kernel)
    if kept is not None and is_accepted(layer, plan, kept):
        return kept
    return _replaced(current, weights=made.weights, kernel=made.kernel)


def _changed(choice: LayerPlan, **changes: object) -> LayerPlan | None:
    return _replaced(choice, weights=dataclasses.replace(choice.weights, **changes))  # type: ignore[arg-type]


def _replaced(choice: LayerPlan, **changes: object) -> LayerPlan | None:
    """The choice without the reason for what it was; None if its parts do not go together."""
    extra = {key: value for key, value in choice.extra.items() if key != STATED_REASON}
    try:
        return dataclasses.replace(choice, extra=extra, **changes)  # type: ignore[arg-type]
    except PlanError:
        return None


def _find_costly(noise: LayerNoise, plan: Plan, total: float, needed_db: float) -> Iterator[Remedy]:
    """More bits, and more again, until the gain is what is needed; then float."""
    layer = noise.summary
    for bits in MORE_BITS.get(plan.layer(layer.name).weights.bits, ()):
        choice = _with_bits(layer, plan, bits)
        if choice is None or not is_accepted(layer, plan, choice):
            continue
        remedy = _judge(noise, plan, RemedyKind.MORE_BITS, choice, total)
        if remedy is not None and remedy.gain_db >= MIN_GAIN_DB:
            yield remedy
            if remedy.gain_db >= needed_db:
                return
    kept = _keep_float(noise, plan, total)
    if kept is not None and kept.gain_db >= MIN_GAIN_DB:
        yield kept


def _keep_float(noise: LayerNoise, plan: Plan, total: float) -> Remedy | None:
    """Half precision, or the layer as it is where that would overflow or change nothing."""
    current = plan.layer(noise.summary.name)
    for bits in (16, FLOAT_BITS):
        choice = _replaced(current, weights=WeightScheme(bits=bits), kernel=Kernel.FLOAT)
        if choice is None or bits == noise.summary.float_bits == 16:
            continue
        remedy = _judge(noise, plan, RemedyKind.KEEP_FLOAT, choice, total)
        if remedy is not None:
            return remedy
    return None


def _judge(noise: LayerNoise, plan: Plan, kind: RemedyKind, choice: LayerPlan, total: float) -> Remedy | None:
    """The remedy with its gain; None where the weight does not fit (16-bit overflow)."""
    try:
        changed = noise.total(choice)
    except ConversionError:
        return None
    gain_db = 10 * math.log10(total / changed) if changed > 0 and total > 0 else math.inf if total > 0 else 0.0
    before = stored_weight_bytes(noise.summary, plan.layer(noise.summary.name))
    return Remedy(kind, choice, gain_db, stored_weight_bytes(noise.summary, choice) - before)


def _best_of_each_kind(found: list[Remedy]) -> list[Remedy]:
    """One remedy of every kind, the best first, without those that gain less than another and store more."""
    kinds = {remedy.kind: [other for other in found if other.kind == remedy.kind] for remedy in found}
    best = sorted((_best_of(group) for group in kinds.values()), key=lambda remedy: -remedy.gain_db)
    return [
        remedy
        for place, remedy in enumerate(best)
        if not any(better.stored_bytes_change < remedy.stored_bytes_change for better in best[:place])
    ]


def _best_of(remedies: list[Remedy]) -> Remedy:
    most = max(remedy.gain_db for remedy in remedies)
    near = [remedy for remedy in remedies if remedy.gain_db >= most - SAME_GAIN_DB]
    return min(near, key=lambda remedy: remedy.stored_bytes_change)
