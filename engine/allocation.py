"""Bits per layer for a size budget: a multiple-choice knapsack, solved by dynamic programming.

Minimised is the sum of the layers' noise-to-signal ratios, which adds up to the predicted SQNR. Sizes
are rounded up to buckets inside the table, so a plan never exceeds its budget; what rounding left
over is spent afterwards on the upgrades that help most.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import BudgetError, PlanError
from engine.jobs.requests import AllocateRequest, AllocateResult
from engine.numerics.schemes import ActivationMode
from engine.plan import Plan, choose_layer_plan, ensure_plan_fits
from engine.sensitivity.matrix import Sensitivity, noise_to_signal, predict_sqnr_db
from engine.sizes import layer_bytes, predict_file_bytes
from engine.summary import LayerSummary, ModelSummary

BUCKETS = 8192


@dataclass(frozen=True)
class Candidate:
    """One way to store one layer."""

    bits: int
    size_bytes: int
    noise: float


def allocate(request: AllocateRequest) -> AllocateResult:
    """Choose bits for every unlocked, measured layer so that the file weighs at most `size_ratio` of the source.

    With quantized activations the candidates are the measured integer widths, because a layer in 16 or
    32 bits would leave the integer kernels; with float activations they are all measured widths and 32.
    A layer that was not measured (in the body of an If, say) keeps what the plan gives it, as if locked.

    Raises:
        BudgetError: the budget is below what the smallest plan needs; the text names the range.
        PlanError: the sensitivity belongs to another model.
    """
    model, plan = request.model, request.plan
    ensure_plan_fits(plan, model)
    if request.sensitivity.model_sha256 != model.sha256:
        raise PlanError(f"This sensitivity was measured on {request.sensitivity.model_name}. Analyse this model first.")
    if not 0 < request.size_ratio <= 1:
        raise BudgetError(f"A size ratio of {request.size_ratio} is out of range. Give a number between 0 and 1.")
    measured = {name for name, row in request.sensitivity.rows.items() if row.cells}
    free = [item for item in model.layers if item.name in measured and not plan.layer(item.name).is_locked]
    options = [_candidates(layer, plan, request.sensitivity) for layer in free]
    budget = int(request.size_ratio * model.file_bytes)
    fitted = _fit(model, plan, free, options, budget)
    result = dataclasses.replace(fitted, provenance=f"allocated for a size ratio of {request.size_ratio:g}")
    cells = [request.sensitivity.value(item.name, result.layer(item.name).weights.bits) for item in model.layers]
    predicted = predict_sqnr_db([cell for cell in cells if cell is not None])
    return AllocateResult(result, predict_file_bytes(model, result), predicted)


def _candidates(layer: LayerSummary, plan: Plan, sensitivity: Sensitivity) -> list[Candidate]:
    """The layer's choices, largest first, noise made monotone: fewer bytes never promise less noise."""
    widths = set(sensitivity.rows[layer.name].cells)
    if plan.defaults.activations == ActivationMode.FLOAT:
        widths |= {32}
    else:
        widths = {bits for bits in widths if bits <= 8} or {32}
    found = []
    worst = 0.0
    for bits in sorted(widths, reverse=True):
        sqnr = sensitivity.value(layer.name, bits)
        worst = max(worst, noise_to_signal(sqnr) if sqnr is not None else 0.0)
        found.append(Candidate(bits, layer_bytes(layer, choose_layer_plan(layer, bits, plan.defaults)), worst))
    return found


def _fit(
    model: ModelSummary, plan: Plan, free: list[LayerSummary], options: list[list[Candidate]], budget: int
) -> Plan:
    def assemble(chosen: list[int]) -> Plan:
        bits = [choices[index].bits for choices, index in zip(options, chosen, strict=True)]
        return plan.with_layers(
            {item.name: choose_layer_plan(item, width, plan.defaults) for item, width in zip(free, bits, strict=True)}
        )

    def overhead(chosen: list[int]) -> int:
        own = sum(choices[index].size_bytes for choices, index in zip(options, chosen, strict=True))
        return predict_file_bytes(model, assemble(chosen)) - own

    smallest = [int(np.argmin([item.size_bytes for item in choices])) for choices in options]
    least = predict_file_bytes(model, assemble(smallest))
    if least > budget:
        largest = predict_file_bytes(model, assemble([0] * len(options)))
        reachable = math.ceil(1000 * least / model.file_bytes) / 1000
        raise BudgetError(
            f"A size ratio of {budget / model.file_bytes:.3f} cannot be reached: with these layers free the file can "
            f"be {reachable:.3f} to {largest / model.file_bytes:.3f} of the source."
        )
    capacity = budget - overhead(smallest)
    return assemble(_spend_rest(options, choose_cheapest_noise(options, capacity), capacity))


def choose_cheapest_noise(options: list[list[Candidate]], capacity: int) -> list[int]:
    """Index of the chosen candidate per layer: least total noise within `capacity` bytes.

    Exact for sizes rounded up to capacity / 8192; the smallest candidates are known to fit.
    """
    base = sum(min(item.size_bytes for item in choices) for choices in options)
    room = capacity - base
    bucket = max(1.0, room / BUCKETS)
    columns = int(room / bucket) + 1
    best: npt.NDArray[np.float64] = np.zeros(columns)
    decisions: list[npt.NDArray[np.int8]] = []
    for choices in options:
        smallest = min(item.size_bytes for item in choices)
        table = np.full((len(choices), columns), np.inf)
        for index, item in enumerate(choices):
            shift = int(np.ceil((item.size_bytes - smallest) / bucket))
            if shift < columns:
                table[index, shift:] = best[: columns - shift] + item.noise
        decision = np.argmin(table, axis=0).astype(np.int8)
        best = table[decision, np.arange(columns)]
        decisions.append(decision)
    chosen = []
    column = columns - 1
    for choices, decision in zip(reversed(options), reversed(decisions), strict=True):
        index = int(decision[column])
        smallest = min(item.size_bytes for item in choices)
        column -= int(np.ceil((choices[index].size_bytes - smallest) / bucket))
        chosen.append(index)
    return chosen[::-1]


def _spend_rest(options: list[list[Candidate]], chosen: list[int], capacity: int) -> list[int]:
    """Upgrade while it fits, best noise per byte first."""
    result = list(chosen)
    left = capacity - sum(choices[index].size_bytes for choices, index in zip(options, result, strict=True))
    while True:
        upgrades = [
            ((now.noise - item.noise) / max(item.size_bytes - now.size_bytes, 1), position, index)
            for position, choices in enumerate(options)
            for now in [choices[result[position]]]
            for index, item in enumerate(choices)
            if item.noise < now.noise and item.size_bytes - now.size_bytes <= left
        ]
        if not upgrades:
            return result
        _, position, index = max(upgrades)
        left -= options[position][index].size_bytes - options[position][result[position]].size_bytes
        result[position] = index
