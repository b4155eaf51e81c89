"""What the Distributions page says of a histogram. No widgets here."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from engine.numerics.schemes import RangeMethod
from engine.plan import LayerPlan
from engine.requests.histograms import ActivationHistogram, Histogram, WeightHistogram
from gui.units import NOTHING, format_db, join_sentences

CONTEXT = "Distributions"


def describe_figures(found: Histogram) -> str:
    """All figures in one line of rich text; numbers only, no names of the model."""
    tr = QCoreApplication.translate
    parts = [(tr(CONTEXT, "values"), f"{sum(found.counts):,}")]
    is_input = isinstance(found, ActivationHistogram)
    title = tr(CONTEXT, "input SQNR about") if is_input else tr(CONTEXT, "weight SQNR")
    if found.sqnr_db is not None:
        parts.append((title, tr(CONTEXT, "{db} dB").format(db=format_db(found.sqnr_db))))
    if found.grid:
        clipped = format_percent(found.clipped_fraction)
        if found.clipped_fraction:
            below, above = format_percent(found.below_fraction), format_percent(found.above_fraction)
            clipped = tr(CONTEXT, "{all} ({below} below, {above} above)").format(all=clipped, below=below, above=above)
        parts.append((tr(CONTEXT, "clipped"), clipped))
        title = tr(CONTEXT, "widest scale") if _has_scales(found) else tr(CONTEXT, "scale")
        parts.append((title, NOTHING if found.scale is None else f"{found.scale:.4g}"))
        levels = tr(CONTEXT, "{used} of {all}").format(used=found.levels_used, all=len(found.grid))
        parts.append((tr(CONTEXT, "levels used"), levels))
    return " &nbsp;·&nbsp; ".join(f"{name} <b>{value}</b>" for name, value in parts)


def _has_scales(found: Histogram) -> bool:
    """Whether the whole weight is shown, and its channels have scales of their own."""
    return isinstance(found, WeightHistogram) and found.channel is None and len(set(found.channel_range_max)) > 1


def format_percent(share: float) -> str:
    """0 %, < 0.001 %, 0.034 %, 12.5 %."""
    percent = 100 * share
    if not percent:
        return "0 %"
    return "&lt; 0.001 %" if percent < 0.001 else f"{percent:.2g} %" if percent < 10 else f"{percent:.1f} %"


def describe_weight_range(choice: LayerPlan, found: WeightHistogram) -> str:
    """How the clip range was chosen, and what the handles stand for."""
    tr = QCoreApplication.translate
    scheme = choice.weights
    if scheme.clip is not None:
        text = tr(CONTEXT, "Set by hand: {percent:.1f} % of the full range is kept.").format(percent=100 * scheme.clip)
    else:
        texts = {
            RangeMethod.MSE: tr(CONTEXT, "Automatic: the smallest error."),
            RangeMethod.MINMAX: tr(CONTEXT, "Automatic: the full range."),
            RangeMethod.PERCENTILE: tr(CONTEXT, "Automatic: without the tails."),
        }
        text = texts[scheme.range_method]
    if _has_scales(found):
        text = join_sentences(text, tr(CONTEXT, "The lines show the widest scale's range."))
    return join_sentences(text, tr(CONTEXT, "A clip keeps the same share of every scale's range."))


def describe_input_range(is_by_hand: bool, readers: tuple[str, ...]) -> str:  # noqa: FBT001
    """How the range of an input was chosen, and who else reads it."""
    tr = QCoreApplication.translate
    text = tr(CONTEXT, "Set by hand.") if is_by_hand else tr(CONTEXT, "Automatic: from calibration.")
    if readers:
        others = tr(CONTEXT, "The range belongs to the tensor, which is also read by {names}.")
        text = join_sentences(text, others.format(names=", ".join(readers)))
    return text
