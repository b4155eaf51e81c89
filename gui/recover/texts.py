"""Words of the Recover page: what each method does and where it comes from, and how figures are written."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from engine.numerics.schemes import Rounding
from engine.recovery.report import RecoverStep
from engine.recovery.targets import Ending, Rung, Target, TargetKind
from engine.requests.conversion import Change, Evaluation
from gui.session import Session
from gui.units import NOTHING, format_signed, join_sentences

CONTEXT = "Recover"


def rung_title(rung: Rung) -> str:
    """The name of a method."""
    tr = QCoreApplication.translate
    return {
        Rung.START: tr(CONTEXT, "Plan as it is"),
        Rung.CORRECT: tr(CONTEXT, "Bias correction"),
        Rung.EQUALIZE: tr(CONTEXT, "Equalization"),
        Rung.SCALE: tr(CONTEXT, "Input scaling"),
        Rung.GPTQ: tr(CONTEXT, "GPTQ"),
        Rung.ADAROUND: tr(CONTEXT, "AdaRound"),
        Rung.MIX: tr(CONTEXT, "Layer by layer"),
        Rung.RECONSTRUCT: tr(CONTEXT, "Block reconstruction"),
        Rung.DISTILL: tr(CONTEXT, "Distillation"),
    }[rung]


def rung_sentence(rung: Rung) -> str:
    """What a method does, and where it was published."""
    tr = QCoreApplication.translate
    return {
        Rung.START: tr(
            CONTEXT,
            "Every weight is rounded as the plan says: what other methods have to beat "
            "(Jacob et al., arXiv 1712.05877).",
        ),
        Rung.CORRECT: tr(
            CONTEXT,
            "The mean error of every layer's output is taken out of its bias (DFQ, arXiv 1906.04721).",
        ),
        Rung.EQUALIZE: tr(
            CONTEXT,
            "A channel is made smaller in one layer and larger in the next, until the weights of a layer have like "
            "ranges (DFQ, arXiv 1906.04721).",
        ),
        Rung.SCALE: tr(
            CONTEXT,
            "Outliers of a transformer's inputs move into the weights, or weights that meet large inputs are kept "
            "finer (SmoothQuant, arXiv 2211.10438; AWQ, arXiv 2306.00978).",
        ),
        Rung.GPTQ: tr(
            CONTEXT,
            "Weights are rounded one after the other, and those that are left make up for the error, by what the "
            "layer reads (arXiv 2210.17323).",
        ),
        Rung.ADAROUND: tr(
            CONTEXT,
            "Every weight learns whether to be rounded up or down, so that the layer's output changes least "
            "(arXiv 2004.10568).",
        ),
        Rung.MIX: tr(
            CONTEXT,
            "Single layers get another rounding, and keep it if the whole network comes closer to float: a greedy "
            "search over measured networks.",
        ),
        Rung.RECONSTRUCT: tr(
            CONTEXT,
            "Weights, scales, biases and clips of one block after the other are trained to give what the block gives "
            "in the float model (BRECQ, arXiv 2102.05426; QDrop, arXiv 2203.05740).",
        ),
        Rung.DISTILL: tr(
            CONTEXT,
            "Weights, scales and biases of all layers are trained together to give the float model's outputs "
            "(knowledge distillation, arXiv 1503.02531; learned scales, LSQ, arXiv 1902.08153).",
        ),
    }[rung]


def rounding_title(rounding: Rounding) -> str:
    """The name of a rounding."""
    tr = QCoreApplication.translate
    return {
        Rounding.NEAREST: tr(CONTEXT, "Nearest"),
        Rounding.GPTQ: tr(CONTEXT, "GPTQ"),
        Rounding.ADAROUND: tr(CONTEXT, "AdaRound"),
    }[rounding]


def method_title(method: Rounding | Change) -> str:
    """The name of what changed a layer; one whose codes are the nearest has another bias."""
    return rung_title(_rung_of(method))


def method_sentence(method: Rounding | Change) -> str:
    """What the method does, where it was published, and what its figures are of."""
    tr = QCoreApplication.translate
    if method == Change.EQUALIZE:
        figures = tr(CONTEXT, "Figures are of the layer's weights, rounded to nearest.")
    elif method == Change.SCALE:
        figures = tr(CONTEXT, "Figures are of the layer's output with weights rounded to nearest and float inputs.")
    elif method == Change.RECONSTRUCT:
        figures = tr(
            CONTEXT,
            "Figures are of the layer's output behind its activation, in the quantized network, on samples that are "
            "held out. Layers make up for each other, so one inside a block may end worse.",
        )
    else:
        figures = tr(
            CONTEXT,
            "Figures are of the layer's output: with the nearest codes, and with the chosen codes and the bias that "
            "goes with them.",
        )
    return join_sentences(rung_sentence(_rung_of(method)), figures)


def _rung_of(method: Rounding | Change) -> Rung:
    return {
        Rounding.NEAREST: Rung.CORRECT,
        Rounding.GPTQ: Rung.GPTQ,
        Rounding.ADAROUND: Rung.ADAROUND,
        Change.EQUALIZE: Rung.EQUALIZE,
        Change.SCALE: Rung.SCALE,
        Change.RECONSTRUCT: Rung.RECONSTRUCT,
    }[method]


def target_title(kind: TargetKind) -> str:
    """What the target is a limit of, as the form asks for it."""
    tr = QCoreApplication.translate
    return {
        TargetKind.DROP: tr(CONTEXT, "Accuracy lost, at most"),
        TargetKind.SQNR: tr(CONTEXT, "SQNR, at least"),
        TargetKind.PERPLEXITY: tr(CONTEXT, "Perplexity risen, at most"),
    }[kind]


def target_sentence(kind: TargetKind) -> str:
    """What exactly the figure is."""
    tr = QCoreApplication.translate
    return {
        TargetKind.DROP: tr(
            CONTEXT, "Points of top-1 less than the float model; of agreement with it where there are no labels"
        ),
        TargetKind.SQNR: tr(CONTEXT, "Signal to quantization noise of the network's outputs against float"),
        TargetKind.PERPLEXITY: tr(CONTEXT, "Per cent more perplexity than the float model, of a language model"),
    }[kind]


def figure_title(kind: TargetKind) -> str:
    """The figure with its unit, for an axis or a column."""
    tr = QCoreApplication.translate
    return {
        TargetKind.DROP: tr(CONTEXT, "Accuracy lost, points"),
        TargetKind.SQNR: tr(CONTEXT, "SQNR, dB"),
        TargetKind.PERPLEXITY: tr(CONTEXT, "Perplexity risen, %"),
    }[kind]


def column_title(kind: TargetKind) -> str:
    """The figure with its unit, as short as a column is narrow."""
    tr = QCoreApplication.translate
    return {
        TargetKind.DROP: tr(CONTEXT, "Points lost"),
        TargetKind.SQNR: tr(CONTEXT, "SQNR, dB"),
        TargetKind.PERPLEXITY: tr(CONTEXT, "Perplexity, %"),
    }[kind]


def target_suffix(kind: TargetKind) -> str:
    """The unit behind a number."""
    tr = QCoreApplication.translate
    return {
        TargetKind.DROP: tr(CONTEXT, " points"),
        TargetKind.SQNR: tr(CONTEXT, " dB"),
        TargetKind.PERPLEXITY: tr(CONTEXT, " %"),
    }[kind]


def format_reached(target: Target, found: Evaluation) -> str:
    """1.25 points, 18.40 dB."""
    value = target.reached(found)
    return NOTHING if value is None else format_signed(value, 2) + target_suffix(target.kind)


def step_title(step: RecoverStep, session: Session) -> str:
    """The method of a step, with the layer whose rounding it changed."""
    if not step.layer:
        return rung_title(step.rung)
    layer = session.layer(step.layer)
    text = QCoreApplication.translate(CONTEXT, "{layer}: {rounding}")
    rounding = rounding_title(step.plan.layer(step.layer).rounding)
    return text.format(layer=layer.title if layer else step.layer, rounding=rounding)


def describe_ending(ending: Ending | None) -> str:
    """Why the climb ended, and what to do next; None for one that was cancelled or failed."""
    tr = QCoreApplication.translate
    if ending is None:
        return tr(CONTEXT, "Stopped early, with the best so far kept. Recover goes on where it was.")
    return {
        Ending.MET: tr(CONTEXT, "The target is met."),
        Ending.TIME: tr(CONTEXT, "Time was up before the target was met. Allow more; Recover goes on where it was."),
        Ending.TOP: tr(
            CONTEXT,
            "All ticked methods are tried and the target is not met. Tick more, give fragile layers more bits, or add "
            "samples.",
        ),
    }[ending]
