"""What layers may be given, and what each candidate takes: of the file, in memory, of time, and in loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.errors import BudgetError
from engine.latency.figures import Latencies
from engine.latency.prediction import layer_us
from engine.numerics.schemes import ActivationMode
from engine.plan import LayerPlan, choose_layer_plan
from engine.prediction import layer_damage, loaded_bytes
from engine.requests.allocation import AllocateRequest, FrontRequest
from engine.sensitivity.matrix import Metric, SensitivityRow
from engine.sizes import joint_bytes
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary, ModelSummary


@dataclass(frozen=True)
class Footprint:
    """What layers take under their choices: bytes of the file, bits of the weights in it, memory at run time."""

    choices: tuple[LayerPlan, ...]
    file_bytes: int
    stored_bits: int
    ram_bytes: int


Options = tuple[Footprint, ...]
Cost = Callable[[Sequence[LayerSummary], Footprint], float]


@dataclass(frozen=True)
class Decision:
    """Layers that get the same bits: one, or several that share a weight.

    Attributes:
        options: candidates, most bits first; the same object for all layers of one form with the same candidates.
        losses: per candidate.
    """

    layers: tuple[LayerSummary, ...]
    options: Options
    losses: tuple[float, ...]


def group_tied(layers: Iterable[LayerSummary]) -> list[tuple[LayerSummary, ...]]:
    """Layers that share a weight share their bits."""
    groups: dict[str, list[LayerSummary]] = {}
    for layer in layers:
        groups.setdefault(f"weight {layer.weight_name}" if layer.shares_weight else layer.name, []).append(layer)
    return [tuple(group) for group in groups.values()]


class Candidates:
    """What the layers of one request may be given."""

    def __init__(self, request: AllocateRequest | FrontRequest, metric: Metric, *, offers_float: bool) -> None:
        self._rows = request.sensitivity.rows
        self._defaults = request.plan.defaults
        self._forbidden = request.forbidden_kernels
        self._metric = metric
        self._is_float_offered = request.plan.defaults.activations == ActivationMode.FLOAT or offers_float
        self._known: dict[tuple[tuple[object, ...], tuple[int, ...]], Options] = {}

    def decide(self, layers: tuple[LayerSummary, ...]) -> Decision:
        """The candidates of layers that get the same bits, most bits first.

        Where no integer kernel is left that is allowed, float ones are offered.

        Raises:
            BudgetError: no kernel is left.
        """
        rows = [self._rows[layer.name] for layer in layers]
        options = self._options_of(layers, self._measured_widths(rows, offers_float=self._is_float_offered))
        if not options and not self._is_float_offered:
            options = self._options_of(layers, self._measured_widths(rows, offers_float=True))
        if not options:
            kernels = ", ".join(sorted(self._forbidden))
            raise BudgetError(f"{layers[0].title} has no kernel left: {kernels} may not be used. Allow one or lock it.")
        own = [
            [layer_damage(row, option.choices[at], self._metric) or 0.0 for option in options]
            for at, row in enumerate(rows)
        ]
        return Decision(layers, options, tuple(map(sum, zip(*own, strict=True))))

    def _measured_widths(self, rows: Sequence[SensitivityRow], *, offers_float: bool) -> tuple[int, ...]:
        """The bits that all rows know the metric of, and 32, most bits first."""
        metric = self._metric
        widths = [bits for bits, cell in rows[0].cells.items() if metric in cell.values]
        for row in rows[1:]:
            widths = [bits for bits in widths if bits in row.cells and metric in row.cells[bits].values]
        if not offers_float and any(bits <= 8 for bits in widths):
            return tuple(sorted((bits for bits in widths if bits <= 8), reverse=True))
        return tuple(sorted({32, *widths}, reverse=True))

    def _options_of(self, layers: tuple[LayerSummary, ...], widths: tuple[int, ...]) -> Options:
        """The default choices; counted once for all layers of one form, which networks have many of."""
        if len(layers) > 1:
            return self._count_options(layers, widths)
        key = (layers[0].form, widths)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._count_options(layers, widths)
        return known

    def _count_options(self, layers: Sequence[LayerSummary], widths: Iterable[int]) -> Options:
        plans = [tuple(choose_layer_plan(layer, bits, self._defaults) for layer in layers) for bits in widths]
        allowed = [choices for choices in plans if not any(choice.kernel in self._forbidden for choice in choices)]
        return tuple(footprint_of(layers, choices) for choices in allowed)


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


OF_FOOTPRINT = frozenset({count_file_bytes, count_stored_bits, count_ram_bytes})
"""Costs that are the same for all layers with the same options."""


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
