"""One application of an operator: what its function in the table is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from engine.errors import UnsupportedOperator

Tensor = torch.Tensor


@dataclass(frozen=True)
class Call:
    """A node with the tensors it reads, which are brought to one device; numbers are read where they are.

    Attributes:
        opset: version of the ONNX operators that the model imports.
        inputs: None where an optional input is absent.
        attributes: plain Python values by name.
        outputs: how many leading outputs anything reads.
    """

    op: str
    node: str
    opset: int
    inputs: tuple[Tensor | None, ...]
    attributes: Mapping[str, Any]
    outputs: int = 1

    @cached_property
    def device(self) -> torch.device:
        """Where the operator computes: on a GPU if any input is there."""
        found = [value.device for value in self.inputs if value is not None]
        return next((device for device in found if device.type != "cpu"), torch.device("cpu"))

    def tensor(self, index: int) -> Tensor:
        """A required input."""
        value = self.inputs[index]
        assert value is not None
        return value.to(self.device)

    def optional(self, index: int) -> Tensor | None:
        """An input that may be absent."""
        value = self._raw(index)
        return None if value is None else value.to(self.device)

    def given(self) -> list[Tensor]:
        """All inputs of an operator that takes any number."""
        return [value.to(self.device) for value in self.inputs if value is not None]

    def _raw(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, or what the operator's definition says without it."""
        return self.attributes.get(name, default)

    def integers(self, index: int, name: str) -> list[int] | None:
        """Integers that an operator had as an attribute in early opsets and has as an input later; None without."""
        value = self._raw(index)
        if value is not None:
            return [int(item) for item in value.reshape(-1).tolist()]
        found = self.attributes.get(name)
        return None if found is None else [int(item) for item in found]

    def number(self, index: int, name: str, default: float | None) -> float | None:
        """A number that is an input in late opsets, an attribute in early ones."""
        value = self._raw(index)
        found: float | None = self.attributes.get(name, default)
        if value is not None:
            return value.item() if value.numel() else default
        return found

    def axis(self, default: int, rank: int | None = None) -> int:
        """The attribute `axis`, counted from the front."""
        found = int(self.attribute("axis", default))
        return found + (self.tensor(0).ndim if rank is None else rank) if found < 0 else found

    def refuse(self, detail: str) -> UnsupportedOperator:
        """The error for a use of the operator that has no torch form."""
        return UnsupportedOperator(self.op, self.node, detail)


Operator = Callable[[Call], Tensor | tuple[Tensor, ...]]
