"""What the Data dialog says about guesses, values and divided samples, in the language of the window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from engine.requests.data import DataCheck, DataPreview, DataSplit, Guess, GuessReason, PreviewWarning
from engine.requests.opening import PresetFits
from engine.summary import TensorSpec
from gui.engine_texts import translate_name
from gui.units import join_sentences

CONTEXT = "Data"
GOOD_SHARE = 0.5


def describe_guess(guess: Guess, spec: TensorSpec) -> str:
    """What the fields were filled from."""
    tr = QCoreApplication.translate
    sentences = {
        GuessReason.FILE: tr(CONTEXT, "Read from {file}, which belongs to the data or the model by its name."),
        GuessReason.SHAPE: tr(CONTEXT, "Guessed: size, layout and channels from the input “{input}” [{shape}]"),
        GuessReason.INSIDE: tr(CONTEXT, "raw values, because the network normalizes its input itself."),
        GuessReason.NAME: tr(CONTEXT, "values as usual for networks of this name."),
        GuessReason.SIZE: tr(CONTEXT, "values as usual for images of this size."),
        GuessReason.LAYOUT: tr(CONTEXT, "values as usual for networks of TensorFlow, which have this layout."),
        GuessReason.COMMON: tr(CONTEXT, "values are the most common ones, which may not be this network's."),
        GuessReason.BACKGROUND: tr(CONTEXT, "1,001 classes have a background class first, so labels are shifted by 1."),
    }
    shape = ", ".join(map(str, spec.shape))
    text = "; ".join(sentences[reason].rstrip(".") for reason in guess.reasons) + "."
    return text.format(file=guess.file, input=spec.name, shape=shape)


def describe_warning(warning: PreviewWarning) -> str:
    """What is odd about the values, and what to look at."""
    tr = QCoreApplication.translate
    return {
        PreviewWarning.CONSTANT: tr(
            CONTEXT, "All values of this sample are the same: nothing of the picture is left. Correct scale and std."
        ),
        PreviewWarning.RAW: tr(
            CONTEXT,
            "The network gets raw pixels up to 255. Few networks expect that, and this one's first layer reads them as "
            "they are: choose a preset with mean and std unless you know that it was trained so.",
        ),
        PreviewWarning.OFF_CENTRE: tr(
            CONTEXT, "The values are far from 0 for their spread. Check that mean is in the unit of the scaled pixels."
        ),
        PreviewWarning.SQUEEZED: tr(
            CONTEXT, "The values hardly differ from each other. Check that the scale is not applied twice."
        ),
    }[warning]


def describe_split(split: DataSplit, *, is_tokens: bool) -> str:
    """Who gets how many samples, how they were chosen, and that none is used twice."""
    tr = QCoreApplication.translate
    name = Path(split.calibration.path).name
    if split.evaluation is None:
        text = tr(CONTEXT, "{samples:,} of {total:,} samples calibrate. Nothing is kept for evaluation.")
        return text.format(samples=split.samples, total=split.total)
    if split.is_one_source:
        text = tr(
            CONTEXT,
            "{samples:,} of {total:,} samples for calibration, the other {rest:,} for evaluation; none is used twice.",
        ).format(samples=split.samples, total=split.total, rest=split.evaluation_samples)
        if split.shared:
            both = tr(CONTEXT, "Both sources are the same data, so {name} is divided.").format(name=name)
            text = join_sentences(both, text)
    else:
        text = tr(
            CONTEXT,
            "{samples:,} of {total:,} samples of {name} for calibration, {rest:,} of {other} for evaluation; "
            "none is used twice.",
        ).format(
            samples=split.samples,
            total=split.total,
            name=name,
            rest=split.evaluation_samples,
            other=Path(split.evaluation.path).name,
        )
        if split.shared:
            both = tr(CONTEXT, "{shared:,} calibration samples are in both and are left out of evaluation.")
            text = join_sentences(text, both.format(shared=split.shared))
    how = (
        tr(CONTEXT, "They are drawn class by class in turn, shuffled the same way every time.")
        if split.has_labels
        else tr(CONTEXT, "They are shuffled the same way every time.")
    )
    return text if is_tokens else join_sentences(text, how)


def describe_tensor(preview: DataPreview) -> str:
    """The tensor that the model gets."""
    shape = " × ".join(map(str, preview.shape))
    text = QCoreApplication.translate(CONTEXT, "{input}: {shape}, {dtype}")
    return text.format(input=preview.input, shape=shape, dtype=preview.dtype)


def describe_check(check: DataCheck) -> str:
    """How many were right, and what that says about the preprocessing."""
    tr = QCoreApplication.translate
    counts = tr(CONTEXT, "{right} of {samples} right").format(right=check.right, samples=check.samples)
    best = check.right_by_offset[check.best_offset]
    if check.best_offset != 0 and best > 2 * check.right:
        text = tr(CONTEXT, "{counts}; with labels shifted by {offset:+d} it would be {best}. Change the label offset.")
        return text.format(counts=counts, offset=check.best_offset, best=best)
    if check.right >= GOOD_SHARE * check.samples:
        return tr(CONTEXT, "{counts}: the preprocessing fits.").format(counts=counts)
    if check.class_folders not in (0, check.classes):
        return f"{counts}. {_describe_folders(check)}"
    if check.right * check.classes <= 4 * check.samples:
        text = tr(CONTEXT, "{counts}, no better than chance: preprocessing or labels do not fit. Try all presets.")
        return text.format(counts=counts)
    text = tr(CONTEXT, "{counts}: low, unless the model is no better. Try all presets.")
    return text.format(counts=counts)


def _describe_folders(found: DataCheck | PresetFits) -> str:
    """That the labels may be to blame rather than the preprocessing."""
    text = QCoreApplication.translate(
        CONTEXT,
        "The {folders:,} class folders count as classes 0 to {last:,} in the order of their names, and the network has "
        "{classes:,} classes. If these are others, give a CSV file with the columns file,label under Labels.",
    )
    return text.format(folders=found.class_folders, last=found.class_folders - 1, classes=found.classes)


def describe_fits(fits: PresetFits) -> str:
    """The best preset and the next."""
    tr = QCoreApplication.translate
    best, *others = fits.fits
    text = tr(CONTEXT, "Best: {title}, {right} of {samples} right.").format(
        title=translate_name(best.title), right=best.right, samples=fits.samples
    )
    if best.right < GOOD_SHARE * fits.samples and fits.class_folders not in (0, fits.classes):
        return join_sentences(text, _describe_folders(fits))
    if not others:
        return text
    following = tr(CONTEXT, "Next: {title}, {right}.").format(
        title=translate_name(others[0].title), right=others[0].right
    )
    return join_sentences(text, following)
