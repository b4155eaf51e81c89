"""What each section of a report says; an empty string where there is nothing to say."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from engine.numerics.schemes import ActivationMode, InputScaling, PerGroup, PerTensor, Rounding
from engine.plan import LayerPlan, PlanDefaults
from engine.prediction import layer_damage, predict_value
from engine.report.charts import (
    HeatCell,
    Mark,
    Timing,
    draw_distributions,
    draw_front,
    draw_heatmap,
    draw_histogram,
    draw_latencies,
    draw_sizes,
)
from engine.report.commands import build_commands, kept_choices
from engine.report.contents import Contents, ReportedResult
from engine.report.svg import escape
from engine.report.tables import ABSENT, METRIC_TITLES, figure_of, fold, show, show_metric, table
from engine.sensitivity.matrix import RANKING, Metric, Sensitivity, SensitivityRow, damage
from engine.sizes import predict_file_bytes
from engine.summary import LayerSummary
from engine.units import format_bytes

MOST_LAYERS = 1500
"""Shown in heatmap and plan, the most damaged ones, so that the file stays small."""


def format_summary(contents: Contents) -> str:
    """The model, one sentence per result, and the figures of all of them."""
    model = contents.model
    cards = [
        (format_bytes(model.file_bytes), "float file"),
        (f"{model.parameters:,}", "weights in layers"),
        (f"{len(model.layers):,}", "layers"),
        (f"opset {model.opset}", model.producer or "producer unknown"),
        (model.sha256[:10], "SHA-256 begins"),
    ]
    parts = ['<div class="cards">']
    parts += [f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in cards]
    parts.append("</div>")
    parts += [f"<p>{escape(_describe(result, contents))}</p>" for result in contents.results]
    if contents.results:
        parts.append(_format_results(contents))
        sizes = [("float", float(model.file_bytes))]
        sizes += [(result.name, float(result.manifest.file_bytes)) for result in contents.results]
        parts.append(figure_of(draw_sizes("Bar chart of the file sizes", sizes, format_bytes), "Size of the files"))
    for result in contents.results:
        parts += [
            f'<div class="warning">{escape(result.name)}: {escape(warning)}</div>'
            for warning in result.manifest.warnings
        ]
    return "".join(parts)


def _describe(result: ReportedResult, contents: Contents) -> str:
    ratio = contents.model.file_bytes / max(result.manifest.file_bytes, 1)
    facts = [f"{result.name} is {ratio:.1f}× smaller than the float model"]
    if result.benchmark is not None and contents.float_benchmark is not None:
        speedup = result.benchmark.speedup
        facts.append(f"{speedup:.2f}× as fast" if speedup >= 1 else f"slower ({speedup:.2f}× its speed)")
    found = result.evaluation
    if found is not None and found.top1 is not None:
        text = f"its top-1 is {found.top1:.2f} % on {found.samples:,} samples"
        if found.reference_top1 is not None:
            text += f" ({found.top1 - found.reference_top1:+.2f} points against float)"
        facts.append(text)
    elif found is not None and found.perplexity is not None:
        text = f"its perplexity is {found.perplexity:.3f}"
        if found.reference_perplexity is not None:
            text += f" (float {found.reference_perplexity:.3f})"
        facts.append(text)
    if result.sqnr_db is not None:
        facts.append(f"its outputs have {result.sqnr_db:.1f} dB SQNR against float")
    return ", ".join(facts) + "."


def _format_results(contents: Contents) -> str:
    header = ("model", "size", "of float", "bits/weight", "SQNR", "top-1", "Δ top-1", "agreement", "P50", "speed-up")
    point, model = contents.float_benchmark, contents.model
    reference = next((item.evaluation for item in contents.results if item.evaluation is not None), None)
    rows = [
        (
            "float", format_bytes(model.file_bytes), "100 %", ABSENT, ABSENT,
            show(reference.reference_top1 if reference else None, "{:.2f} %"), ABSENT, ABSENT,
            show(point.latency_ms["p50"] if point else None, "{:.3f} ms"), "1.00×" if point else ABSENT,
        ),
        *(_format_result(result, contents) for result in contents.results),
    ]  # fmt: skip
    integer = []
    for result in contents.results:
        layers = result.manifest.layers
        kinds = Counter((layer.bits, layer.kernel) for layer in layers)
        mixture = ", ".join(f"{count} × {bits}-bit {kernel}" for (bits, kernel), count in sorted(kinds.items())[::-1])
        fused = sum(layer.is_integer for layer in layers)
        integer.append((result.name, mixture, f"{fused} of {len(layers)} run on integer kernels"))
    return table(header, rows) + table(("model", "layers", "kernels"), integer, is_words=True)


def _format_result(result: ReportedResult, contents: Contents) -> tuple[str, ...]:
    found, point = result.evaluation, result.benchmark
    drop = None
    if found is not None and found.top1 is not None and found.reference_top1 is not None:
        drop = found.top1 - found.reference_top1
    return (
        result.name,
        format_bytes(result.manifest.file_bytes),
        f"{result.manifest.file_bytes / contents.model.file_bytes:.1%}",
        show(result.manifest.bits_per_weight, "{:.2f}"),
        show(result.sqnr_db, "{:.1f} dB"),
        show(found.top1 if found else None, "{:.2f} %"),
        show(drop, "{:+.2f}"),
        show(found.agreement if found else None, "{:.2f} %"),
        show(point.latency_ms["p50"] if point else None, "{:.3f} ms"),
        show(point.speedup if point else None, "{:.2f}×"),
    )


def format_front(contents: Contents) -> str:
    """The best plan for every size, and where the plans that were made stand."""
    sensitivity, metric, model = contents.request.sensitivity, contents.metric, contents.model
    if contents.front is None or metric is None or sensitivity is None:
        return ""
    line = [
        (point.predicted.file_bytes / 1e6, point.predicted.value, _describe_bits(point.bits))
        for point in contents.front.points
        if point.predicted.value is not None and math.isfinite(point.predicted.value)
    ]
    plans = [(result.name, result.plan, float(result.manifest.file_bytes)) for result in contents.results]
    if contents.unsaved_plan is not None:
        plans.append(
            (contents.plan_name, contents.unsaved_plan, float(predict_file_bytes(model, contents.unsaved_plan)))
        )
    marks = []
    for name, plan, size in plans:
        value = predict_value(model, plan, sensitivity.rows, metric)
        if value is not None and math.isfinite(value):
            tip = f"{name}: {format_bytes(size)}, predicted {show_metric(metric, value)}"
            marks.append(Mark(name, size / 1e6, value, tip))
    if not line:
        return ""
    name, direction = METRIC_TITLES[metric]
    tips = [
        (size, value, f"{size:.4g} MB, {show_metric(metric, value)} predicted; {bits}") for size, value, bits in line
    ]
    drawing = draw_front(f"Predicted {name} over file size", f"predicted {name} ({direction})", tips, marks)
    rows = [(f"{size:.4g} MB", show_metric(metric, value), bits) for size, value, bits in line]
    rows += [(f"{mark.megabytes:.4g} MB", show_metric(metric, mark.value), mark.name) for mark in marks]
    caption = (
        "The line is the front: for every size the plan that is predicted to lose least. Marks are the plans that were "
        "made. Predictions add up what single layers lose; what was measured on whole models is in the summary."
    )
    twin = fold("The same in figures", table(("file size", name, "layers by bits, or plan"), rows))
    return figure_of(drawing, caption) + twin


def _describe_bits(bits: tuple[int, ...]) -> str:
    return ", ".join(f"{count} × {width} bits" for width, count in sorted(Counter(bits).items(), reverse=True))


def format_heatmap(contents: Contents) -> str:
    """What every layer loses at every bit width."""
    sensitivity, metric = contents.request.sensitivity, contents.metric
    if sensitivity is None or metric is None:
        return ""
    widths = sorted({bits for row in sensitivity.rows.values() for bits in row.cells}, reverse=True)
    layers = _choose_layers(contents, metric)
    rows, figures = [], []
    for layer in layers:
        row = sensitivity.rows.get(layer.name)
        chosen = contents.plan.layer(layer.name).weights.bits if contents.plan else None
        cells = [_cell(row, bits, metric, is_chosen=bits == chosen) for bits in widths]
        rows.append((layer.title, cells))
        figures.append((layer.title, layer.detail, *(cell.label + " ●" * cell.is_chosen for cell in cells)))
    columns = [f"{bits} bits" for bits in widths]
    name, direction = METRIC_TITLES[metric]
    drawing = draw_heatmap(f"Heatmap of {name} of every layer at every bit width", columns, rows)
    note = _describe_sensitivity(sensitivity)
    if len(layers) < len(contents.model.layers):
        note += f" Shown are the {len(layers):,} layers of {len(contents.model.layers):,} that lose most."
    whose = f"Outlined: what {contents.plan_name} gives the layer. " if contents.plan else ""
    caption = escape(f"{name} ({direction}). {whose}{note}")
    twin = table(("layer", "operator", *columns), figures, "● marks what the plan gives")
    return figure_of(drawing, caption) + fold("The same in figures", twin)


def _choose_layers(contents: Contents, metric: Metric) -> list[LayerSummary]:
    """All layers in graph order; of very many those that lose most."""
    sensitivity, layers = contents.request.sensitivity, list(contents.model.layers)
    if len(layers) <= MOST_LAYERS or sensitivity is None:
        return layers[:MOST_LAYERS]
    worst = {
        layer.name: max(
            (damage(metric, cell.values[metric]) for cell in row.cells.values() if metric in cell.values), default=0.0
        )
        for layer in layers
        if (row := sensitivity.rows.get(layer.name)) is not None
    }
    kept = set(sorted(worst, key=lambda name: -worst[name])[:MOST_LAYERS])
    return [layer for layer in layers if layer.name in kept]


def _cell(row: SensitivityRow | None, bits: int, metric: Metric, *, is_chosen: bool) -> HeatCell:
    value = row.value(bits, metric) if row is not None else None
    if row is None or value is None:
        return HeatCell(None, ABSENT, f"{bits} bits, not measured", is_chosen)
    cell = row.cells[bits]
    known = [
        f"{METRIC_TITLES[other][0]} {show_metric(other, cell.values[other])}"
        for other in RANKING
        if other in cell.values
    ]
    error = cell.errors.get(metric)
    if error is not None:
        known.append(f"standard error {error:.2g}")
    return HeatCell(damage(metric, value), show_metric(metric, value), f"{bits} bits, {'; '.join(known)}", is_chosen)


def _describe_sensitivity(sensitivity: Sensitivity) -> str:
    how = {
        "quick": "of each layer's own output, in one pass",
        "loss": "by gradients of the loss",
        "exact": "end to end, on the network's outputs",
    }.get(sensitivity.method, sensitivity.method)
    return f"Measured {how}, on {sensitivity.samples:,} samples."


def format_plan_table(contents: Contents) -> str:
    """What every layer gets in every plan."""
    plans = [(result.name, result.plan) for result in contents.results]
    if contents.unsaved_plan is not None:
        plans.append((contents.plan_name, contents.unsaved_plan))
    if not plans:
        return ""
    metric = contents.metric
    layers = _choose_layers(contents, metric) if metric else list(contents.model.layers)[:MOST_LAYERS]
    has_reasons = any(plan.layer(layer.name).extra.get("reason") for _, plan in plans for layer in layers)
    rows = []
    for layer in layers:
        choices = [plan.layer(layer.name) for _, plan in plans]
        row = [layer.title, layer.detail, f"{layer.parameters:,}", *(_describe_choice(choice) for choice in choices)]
        if has_reasons:
            row.append(str(choices[-1].extra.get("reason", "")))
        rows.append(row)
    header = ["layer", "operator", "weights", *(name for name, _ in plans), *(["why"] if has_reasons else [])]
    origins = "; ".join(f"{name}: {plan.provenance or 'origin unknown'}" for name, plan in plans)
    note = f"<p>{escape(origins)}.</p>"
    steps = [(name, _describe_steps(plan.defaults)) for name, plan in plans]
    if any(words for _, words in steps):
        note += table(
            ("plan", "done to the network besides"), [(n, words or ABSENT) for n, words in steps], is_words=True
        )
    body = table(header, rows, is_words=True)
    return note + (body if len(layers) <= 60 else fold(f"{len(layers):,} layers", body))


def _describe_steps(defaults: PlanDefaults) -> str:
    """What a plan does to the network as a whole."""
    steps = {
        "weight ranges evened out across layers": defaults.equalize,
        f"inputs scaled ({defaults.input_scaling})": defaults.input_scaling != InputScaling.NONE,
        "biases corrected": defaults.correct_bias,
        f"{defaults.reconstruction_steps:,} steps of reconstruction of every block": defaults.reconstruction_steps,
        f"{defaults.distillation_steps:,} steps of distillation": defaults.distillation_steps,
    }
    return ", ".join(words for words, is_done in steps.items() if is_done)


def _describe_choice(choice: LayerPlan) -> str:
    scheme = choice.weights
    parts = [f"{scheme.bits}-bit {choice.kernel}"]
    if scheme.is_integer and isinstance(scheme.granularity, PerGroup):
        parts.append(f"groups of {scheme.granularity.group_size}")
    if scheme.is_integer and isinstance(scheme.granularity, PerTensor):
        parts.append("per tensor")
    if scheme.is_integer and not scheme.symmetric and scheme.bits == 4:
        parts.append("asymmetric")
    if scheme.is_integer and scheme.reduce_range:
        parts.append("reduced range")
    if scheme.is_integer and choice.rounding != Rounding.NEAREST:
        parts.append(str(choice.rounding))
    if scheme.is_integer and scheme.clip is not None:
        parts.append(f"clipped to {scheme.clip:.4g} of the range")
    if choice.input_range is not None and choice.activations == ActivationMode.STATIC:
        low, high = choice.input_range
        parts.append(f"input {low:.4g} to {high:.4g}")
    return ", ".join(parts) + (" (locked)" if choice.is_locked else "")


def format_distributions(contents: Contents) -> str:
    """The weights of the layers that lose most under the plan."""
    sensitivity, metric = contents.request.sensitivity, contents.metric
    if not contents.worst or sensitivity is None or metric is None or contents.plan is None:
        return ""
    figures, rows = [], []
    for entry in contents.worst:
        found, layer = entry.histogram, entry.layer
        loss = layer_damage(sensitivity.rows[layer.name], contents.plan.layer(layer.name), metric)
        clipped = f"{found.clipped_fraction:.2%} clipped"
        sqnr = "stored exactly" if found.sqnr_db is None else f"weight SQNR {found.sqnr_db:.1f} dB"
        caption = f"<b>{escape(layer.title)}</b> {escape(layer.detail)}, {entry.bits} bits: {sqnr}, {clipped}"
        drawing = draw_histogram(f"Distribution of the weights of {layer.title}", found)
        figures.append(figure_of(drawing, caption))
        bounds = (f"{found.edges[0]:.4g}", f"{found.edges[-1]:.4g}", f"{found.range_min:.4g}", f"{found.range_max:.4g}")
        rows.append((layer.title, entry.bits, show(loss, "{:.3g}"), show(found.sqnr_db, "{:.1f}"), *bounds, clipped))
    header = ("layer", "bits", "predicted loss", "weight SQNR, dB", "minimum", "maximum", "range from", "to", "clipped")
    note = (
        f"<p>The layers that {escape(contents.plan_name)} is predicted to lose most in, the worst first. Heights are "
        "square roots of counts, so that tails are seen; green is the clipping range of the widest scale, red ticks "
        "are the values that a weight can take there, where these are few.</p>"
    )
    return f'{note}<div class="pair">{"".join(figures)}</div>' + fold("The same in figures", table(header, rows))


def format_benchmark(contents: Contents) -> str:
    """Latency of the models side by side."""
    benchmark = contents.request.benchmark
    if benchmark is None or not benchmark.points:
        return ""
    names = [Path(point.path).name for point in benchmark.points]
    timings = [
        Timing(name, point.latency_ms["p50"], point.latency_ms["p90"], point.latency_ms["p99"], point.histogram_ms)
        for name, point in zip(names, benchmark.points, strict=True)
    ]
    rows = [
        (
            timing.name,
            *(f"{value:.3f} ms" for value in (timing.p50, timing.p90, timing.p99)),
            f"{point.throughput_per_s:,.0f}",
            f"{point.speedup:.2f}×",
            ABSENT if point.rss_bytes is None else format_bytes(point.rss_bytes),
            f"{point.runs:,}",
        )
        for timing, point in zip(timings, benchmark.points, strict=True)
    ]
    threads = "all threads" if not benchmark.threads else f"{benchmark.threads} thread{'s' * (benchmark.threads > 1)}"
    setting = f"Run by run in turn, {threads}, batch {benchmark.batch}, {benchmark.runtime}, {benchmark.cpu}."
    parts = [f"<p>{escape(setting)}</p>", figure_of(draw_latencies("Bar chart of the latencies", timings))]
    drawn = [timing for timing in timings if timing.quantiles]
    if drawn:
        drawing = draw_distributions("Cumulative distribution of the latencies", drawn)
        parts.append(figure_of(drawing, "A steep line is a steady model; the further left, the faster."))
    header = ("model", "P50", "P90", "P99", "samples/s", "speed-up", "RSS", "runs")
    return "".join([*parts, table(header, rows)])


def format_environment(contents: Contents) -> str:
    """What it was measured with."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in contents.model.notes)
    return table((), contents.environment, is_words=True) + notes


def format_commands(contents: Contents) -> str:
    """The command lines."""
    steps = build_commands(contents)
    note = "<p>With the same files, these commands give the same plan and the same bytes; timings vary.</p>"
    if contents.plan is not None and contents.plan.provenance:
        note += f"<p>The plan of {escape(contents.plan_name)}: {escape(contents.plan.provenance)}.</p>"
    kept = [path.name for path in kept_choices(contents.request)]
    if kept:
        note += (
            "<p>Which samples are used, and how they are prepared, is more than options can say. It is in files beside "
            f"this report: {escape(', '.join(kept))}.</p>"
        )
    return note + "".join(f"<div>{escape(what)}</div><pre>{_keep_words(line)}</pre>" for what, line in steps)


def _keep_words(line: str) -> str:
    """A command line that is broken between its words only."""
    return " ".join(f"<span>{escape(word)}</span>" for word in line.split(" "))
