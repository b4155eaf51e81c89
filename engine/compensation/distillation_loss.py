"""How far a network's outputs are from the float model's, as a loss that gradients come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from engine.comparison import class_scores, is_probabilities

Tensor = torch.Tensor

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class OutputLoss:
    """KL(float ‖ quantized) of the class scores per prediction, and of other outputs the noise by their energy.

    Attributes:
        scores: position of the class scores [N, classes, 1…] or [N, tokens, vocabulary]; None without.
        is_probabilities: they need no softmax.
        others: positions of the other float outputs.
    """

    scores: int | None
    is_probabilities: bool
    is_tokens: bool
    others: tuple[int, ...]

    @classmethod
    def of(cls, outputs: Sequence[Tensor], *, is_tokens: bool) -> OutputLoss:
        """For a model that has given these."""
        floats = [index for index, output in enumerate(outputs) if output.is_floating_point()]
        found = class_scores([outputs[index].numpy() for index in floats], is_tokens=is_tokens)
        if found is None:
            return cls(None, is_probabilities=False, is_tokens=is_tokens, others=tuple(floats))
        return cls(floats[0], is_probabilities(found), is_tokens, tuple(floats[1:]))

    @property
    def fetched(self) -> tuple[int, ...]:
        """Positions of the outputs that count."""
        return self.others if self.scores is None else (self.scores, *self.others)

    def measure(self, reference: Sequence[Tensor], test: Sequence[Tensor]) -> Tensor:
        """The loss of a batch; both have the outputs in the order of `fetched`."""
        total = torch.zeros(())
        for index, (one, other) in enumerate(zip(reference, test, strict=True)):
            if index == 0 and self.scores is not None:
                logs, wanted = self._logs(other), self._logs(one)
                total = total + functional.kl_div(logs, wanted, reduction="batchmean", log_target=True)
            else:
                total = total + (one - other).square().mean() / one.square().mean().clamp_min(SMALLEST_PROBABILITY)
        return total

    def _logs(self, scores: Tensor) -> Tensor:
        """Logarithms of probabilities, [predictions, classes]."""
        flat = scores.reshape(-1, scores.shape[-1]) if self.is_tokens else scores.flatten(1)
        if self.is_probabilities:
            return flat.clamp_min(SMALLEST_PROBABILITY).log()
        return functional.log_softmax(flat, dim=1)
