"""What layers may be given, and what each candidate takes: of the file, in memory, of time, and in loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.errors import BudgetError
from engine.latency.figures import Latencies
from engine.latency.prediction import layer_us
from engine.numerics.schemes import ActivationMode
from engine.plan import LayerPlan, PlanDefaults, choose_layer_plan
from engine.prediction import layer_damage, loaded_bytes
from engine.requests.allocation import AllocateRequest, FrontRequest
from engine.sensitivity.matrix import Metric
from engine.sizes import joint_bytes, stored_weight_bytes
from engine.summary import LayerSummary, ModelSummary

MAX_FORMS = 8192


@dataclass(frozen=True)
class Footprint:
    """What layers take under their choices: bytes of the file, bits of the weights in it, memory at run time."""

    choices: tuple[LayerPlan, ...]
    file_bytes: int
    stored_bits: int
    ram_bytes: int


Cost = Callable[[Sequence[LayerSummary], Footprint], float]


@dataclass(frozen=True)
class Decision:
    """Layers that get the same bits: one, or several that share a weight.

    Attributes:
        options: candidates, most bits first.
        losses: per candidate; fewer bits never promise less.
    """

    layers: tuple[LayerSummary, ...]
    options: tuple[Footprint, ...]
    losses: tuple[float, ...]


def group_tied(layers: Iterable[LayerSummary]) -> list[tuple[LayerSummary, ...]]:
    """Layers that share a weight share their bits."""
    groups: dict[str, list[LayerSummary]] = {}
    for layer in layers:
        groups.setdefault(f"weight {layer.weight_name}" if layer.shares_weight else layer.name, []).append(layer)
    return [tuple(group) for group in groups.values()]


def decide(
    layers: tuple[LayerSummary, ...], request: AllocateRequest | FrontRequest, metric: Metric, *, offers_float: bool
) -> Decision:
    """The layers' candidates, most bits first."""
    plan, forbidden = request.plan, request.forbidden_kernels
    rows = [request.sensitivity.rows[layer.name] for layer in layers]
    measured = [{bits for bits, cell in row.cells.items() if metric in cell.values} for row in rows]
    widths = set.intersection(*measured) | {32}
    is_float_offered = plan.defaults.activations == ActivationMode.FLOAT or offers_float
    if not is_float_offered and any(bits <= 8 for bits in widths):
        widths = {bits for bits in widths if bits <= 8}
    found: list[tuple[Footprint, float]] = []
    worst = 0.0
    for option in _options_of(layers, sorted(widths, reverse=True), plan.defaults):
        if forbidden and any(choice.kernel in forbidden for choice in option.choices):
            continue
        own = 0.0
        for row, choice in zip(rows, option.choices, strict=True):
            own += layer_damage(row, choice, metric) or 0.0
        worst = max(worst, own)
        found.append((option, worst))
    if not found:
        kernels = ", ".join(sorted(forbidden))
        raise BudgetError(f"{layers[0].title} has no kernel left: {kernels} may not be used. Allow one or lock it.")
    return Decision(layers, tuple(option for option, _ in found), tuple(loss for _, loss in found))


def _options_of(layers: tuple[LayerSummary, ...], widths: Iterable[int], defaults: PlanDefaults) -> list[Footprint]:
    """The default choices; counted once for all layers of one form, which networks have many of."""
    if len(layers) > 1:
        plans = [tuple(choose_layer_plan(layer, bits, defaults) for layer in layers) for bits in widths]
        return [footprint_of(layers, choices) for choices in plans]
    known = _known_options(layers[0].form, defaults)
    for bits in widths:
        if bits not in known:
            known[bits] = footprint_of(layers, (choose_layer_plan(layers[0], bits, defaults),))
    return [known[bits] for bits in widths]


@lru_cache(maxsize=MAX_FORMS)
def _known_options(_form: tuple[object, ...], _defaults: PlanDefaults) -> dict[int, Footprint]:
    """By bits, what layers of this form take; filled by the caller."""
    return {}


def footprint_of(layers: Sequence[LayerSummary], choices: tuple[LayerPlan, ...]) -> Footprint:
    """What layers that share a weight, or any others, take together."""
    pairs = list(zip(layers, choices, strict=True))
    return Footprint(
        choices,
        joint_bytes(layers, choices),
        8 * sum(stored_weight_bytes(layer, choice) for layer, choice in pairs),
        sum(loaded_bytes(layer, choice) for layer, choice in pairs),
    )


def count_file_bytes(_layers: Sequence[LayerSummary], option: Footprint) -> float:
    """Cost of a candidate in the file."""
    return option.file_bytes


def count_stored_bits(_layers: Sequence[LayerSummary], option: Footprint) -> float:
    """Bits of its weights in the file, scales included."""
    return option.stored_bits


def count_ram_bytes(_layers: Sequence[LayerSummary], option: Footprint) -> float:
    """Bytes of its weights in memory at run time."""
    return option.ram_bytes


def time_of(latencies: Latencies | None, model: ModelSummary) -> Cost:
    """Milliseconds that layers add.

    Raises:
        BudgetError: nothing was measured on this model.
    """
    if latencies is None or latencies.model_sha256 != model.sha256:
        raise BudgetError("Latency needs measured layer times of this model. Measure them first.")
    known = latencies

    def cost(layers: Sequence[LayerSummary], option: Footprint) -> float:
        return sum(layer_us(known, *pair)[0] for pair in zip(layers, option.choices, strict=True)) / 1000

    return cost
