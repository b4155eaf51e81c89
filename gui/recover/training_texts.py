"""Words over the curves of training: which block of how many, which layers, from which loss to which."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from engine.requests.conversion import BlockPoint, BlockReconstruction
from gui.recover.figures import Training
from gui.session import Session
from gui.units import join_sentences

CONTEXT = "Recover"


def label_axes(training: Training) -> tuple[str, str]:
    """What stands at the bottom and at the left axis."""
    tr = QCoreApplication.translate
    if training.points:
        return tr(CONTEXT, "steps of distillation"), tr(CONTEXT, "loss against float")
    if training.block_points:
        return tr(CONTEXT, "steps of the block"), tr(CONTEXT, "squared error by energy")
    return tr(CONTEXT, "blocks"), tr(CONTEXT, "error left, %")


def describe_training(training: Training, session: Session) -> tuple[str, str]:
    """What is trained, and how far it has come."""
    if training.points:
        return _describe_distillation(training)
    if training.block_points:
        return _describe_block(training, session)
    return _describe_blocks(training.blocks) if training.blocks else ("", "")


def _describe_distillation(training: Training) -> tuple[str, str]:
    tr, point = QCoreApplication.translate, training.points[-1]
    title = tr(CONTEXT, "Distillation: step {step} of {steps}").format(step=point.step, steps=point.steps)
    text = tr(CONTEXT, "Held-out loss {before} → {now} at best")
    best = min(item.held_out_loss for item in training.points)
    return title, text.format(before=f"{training.points[0].held_out_loss:.3g}", now=f"{best:.3g}")


def _describe_block(training: Training, session: Session) -> tuple[str, str]:
    tr, point = QCoreApplication.translate, training.block_points[-1]
    title = _title(point, session)
    held_out = [item.held_out_loss for item in training.block_points if item.held_out_loss is not None]
    text = tr(CONTEXT, "Held-out error {before} → {now} at best.")
    text = text.format(before=f"{held_out[0]:.3g}", now=f"{min(held_out):.3g}")
    done = training.blocks[-1] if training.blocks else None
    if done is not None and done.block == point.block:
        text = join_sentences(text, _verdict(done))
    return title, join_sentences(text, _count(training.blocks))


def describe_block(block: BlockReconstruction, session: Session) -> str:
    """What became of a block that is done, in lines."""
    error = QCoreApplication.translate(CONTEXT, "Held-out error {before} → {now}.")
    error = error.format(before=f"{block.start_loss:.3g}", now=f"{block.loss:.3g}")
    return "\n".join((_title(block, session), join_sentences(error, _verdict(block))))


def _title(block: BlockPoint | BlockReconstruction, session: Session) -> str:
    layers = (session.layer(name) for name in block.layers)
    titles = [layer.title if layer else name for layer, name in zip(layers, block.layers, strict=True)]
    return QCoreApplication.translate(CONTEXT, "Block {block} of {blocks}: {layers}").format(
        block=block.block + 1, blocks=block.blocks, layers=", ".join(titles)
    )


def _verdict(block: BlockReconstruction) -> str:
    tr = QCoreApplication.translate
    return tr(CONTEXT, "Kept.") if _is_better(block) else tr(CONTEXT, "Left as it was.")


def _describe_blocks(blocks: list[BlockReconstruction]) -> tuple[str, str]:
    title = QCoreApplication.translate(
        CONTEXT, "Block reconstruction: what is left of the held-out error of each block"
    )
    return title, _count(blocks)


def _count(blocks: list[BlockReconstruction]) -> str:
    """How many were accepted and rejected so far."""
    if not blocks:
        return ""
    better = sum(map(_is_better, blocks))
    text = QCoreApplication.translate(CONTEXT, "Blocks done: {better} closer to float, {others} as before.")
    return text.format(better=better, others=len(blocks) - better)


def _is_better(block: BlockReconstruction) -> bool:
    return block.loss < block.start_loss
