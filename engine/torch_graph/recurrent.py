"""LSTM, GRU and RNN, step by step, with the activations that ONNX has by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.torch_graph.call import Call, Operator, Tensor

DEFAULT_ACTIVATIONS = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}


@dataclass(frozen=True)
class _Direction:
    """Weights of one direction; W [gates · hidden, inputs], R [gates · hidden, hidden], biases of both."""

    call: Call
    weight: Tensor
    recurrence: Tensor
    weight_bias: Tensor
    recurrence_bias: Tensor
    peepholes: Tensor | None


# From the projected input of one step, hidden and cell state to the new states; both [batch, hidden].
Step = Callable[[_Direction, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _lstm_step(own: _Direction, projected: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    gates = projected + hidden @ own.recurrence.T + own.recurrence_bias
    entry, out, forget, candidate = gates.chunk(4, -1)
    zero = torch.zeros((), device=cell.device)
    peep_entry, peep_out, peep_forget = own.peepholes.chunk(3) if own.peepholes is not None else (zero, zero, zero)
    entering = torch.sigmoid(entry + peep_entry * cell)
    forgotten = torch.sigmoid(forget + peep_forget * cell)
    cell = forgotten * cell + entering * torch.tanh(candidate)
    return torch.sigmoid(out + peep_out * cell) * torch.tanh(cell), cell


def _gru_step(own: _Direction, projected: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    update, reset, candidate = projected.chunk(3, -1)
    update_weight, reset_weight, candidate_weight = own.recurrence.chunk(3)
    update_bias, reset_bias, candidate_bias = own.recurrence_bias.chunk(3)
    update = torch.sigmoid(update + hidden @ update_weight.T + update_bias)
    reset = torch.sigmoid(reset + hidden @ reset_weight.T + reset_bias)
    if own.call.attribute("linear_before_reset", 0):
        candidate = torch.tanh(candidate + reset * (hidden @ candidate_weight.T + candidate_bias))
    else:
        candidate = torch.tanh(candidate + (reset * hidden) @ candidate_weight.T + candidate_bias)
    return (1 - update) * candidate + update * hidden, cell


def _rnn_step(own: _Direction, projected: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(projected + hidden @ own.recurrence.T + own.recurrence_bias), cell


def _recurrent(step: Step) -> Operator:
    def apply(call: Call) -> tuple[Tensor, ...]:
        _ensure_plain(call)
        is_batch_first = bool(call.attribute("layout", 0))
        source = call.tensor(0).transpose(0, 1) if is_batch_first else call.tensor(0)
        ways = {"forward": [False], "reverse": [True]}.get(call.attribute("direction", "forward"), [False, True])
        parts = [_run(step, call, source, index, is_reverse=way) for index, way in enumerate(ways)]
        output, hidden, cell = (
            torch.stack(items, axis) for items, axis in zip(zip(*parts, strict=True), (1, 0, 0), strict=True)
        )
        if is_batch_first:
            return output.permute(2, 0, 1, 3), hidden.transpose(0, 1), cell.transpose(0, 1)
        return output, hidden, cell

    return apply


def _ensure_plain(call: Call) -> None:
    default = DEFAULT_ACTIVATIONS[call.op]
    activations = [name.lower() for name in call.attribute("activations", default)]
    if activations != default * (len(activations) // len(default)):
        raise call.refuse("other activations than the default ones")
    if "clip" in call.attributes or call.attribute("input_forget", 0):
        raise call.refuse("clipped or coupled gates")
    lengths = call.optional(4)
    steps = call.tensor(0).shape[1 if call.attribute("layout", 0) else 0]
    if lengths is not None and bool((lengths != steps).any()):
        raise call.refuse("sequences of different lengths")


def _run(step: Step, call: Call, source: Tensor, index: int, *, is_reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """One direction over [steps, batch, inputs]: all hidden states, and the last hidden and cell state."""
    weight, recurrence = call.tensor(1)[index], call.tensor(2)[index]
    bias = call.optional(3)
    biases = torch.zeros(2 * len(weight), device=weight.device) if bias is None else bias[index]
    peepholes = call.optional(7)
    weight_bias, recurrence_bias = biases.chunk(2)
    peephole = None if peepholes is None else peepholes[index]
    own = _Direction(call, weight, recurrence, weight_bias, recurrence_bias, peephole)
    hidden, cell = (_initial(call, place, index, source.shape[1], recurrence.shape[1]) for place in (5, 6))
    projected = source @ weight.T + own.weight_bias
    states = []
    for part in reversed(projected.unbind(0)) if is_reverse else projected.unbind(0):
        hidden, cell = step(own, part, hidden, cell)
        states.append(hidden)
    return torch.stack(states[::-1] if is_reverse else states), hidden, cell


def _initial(call: Call, place: int, direction: int, batch: int, size: int) -> Tensor:
    given = call.optional(place)
    if given is None:
        return torch.zeros(batch, size, device=call.device)
    return given[:, direction] if call.attribute("layout", 0) else given[direction]


OPERATORS: dict[str, Operator] = {
    "GRU": _recurrent(_gru_step),
    "LSTM": _recurrent(_lstm_step),
    "RNN": _recurrent(_rnn_step),
}
