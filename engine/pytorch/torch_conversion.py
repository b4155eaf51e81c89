"""From a checked archive to ONNX: the only place where torch is loaded, in the process that runs the job."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ModelError
from engine.model.runtime import Session, first_line
from engine.pytorch.example_inputs import InputSpec, Shapes, choose_inputs

OPSET = 18
EXTERNAL_DATA_BYTES = 1_500_000_000
MIN_AGREEMENT_DB = 60.0
MIN_CLOSE_DB = 30.0
"""Below this the import is refused; between the two, a fixed batch is preferred."""
_INSTALL = "Install what Bitsmith needs again: pip install bitsmith"

Traced = Sequence[tuple[tuple[int, ...], str]] | None
Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class _Example:
    """Inputs of a model by name, and what it gives for them: tensors of torch."""

    names: tuple[str, ...]
    inputs: list[Any]
    outputs: list[Any]


def ensure_torch(path: Path) -> Any:
    """The torch module.

    Raises:
        ModelError: it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ModelError(f"{path} is a PyTorch file, and PyTorch is not installed. {_INSTALL}.") from error


def convert_program(path: Path, source: Path, target: Path, *, is_trusted: bool) -> None:
    """Write the ExportedProgram in `source` to `target` as ONNX.

    Args:
        path: the user's file, for messages.
        is_trusted: let torch unpickle whatever is in `source`.

    Raises:
        ModelError: torch cannot read it, or ONNX cannot express it.
    """
    torch = ensure_torch(path)
    with _quiet(torch), _weights_only(is_needed=not is_trusted):
        program = _attempt(path, "read", lambda: torch.export.load(str(source)))
        converted = _attempt(path, "convert to ONNX", lambda: torch.onnx.export(program, dynamo=True, verbose=False))
        size = sum(tensor.nbytes for tensor in program.state_dict.values())
        _attempt(path, "convert to ONNX", lambda: converted.save(target, external_data=size > EXTERNAL_DATA_BYTES))
        _compare_program(path, torch, program, target)


def convert_script(path: Path, source: Path, target: Path, shapes: Shapes, traced: Traced) -> None:
    """Write the TorchScript module in `source` to `target` as ONNX; the first dimension becomes the batch.

    Raises:
        ModelError: torch cannot read it, its input shapes are not known, or ONNX cannot express it.
    """
    torch = ensure_torch(path)
    with _quiet(torch):
        module = _attempt(path, "read", lambda: torch.jit.load(str(source), map_location="cpu")).eval()
        graph_inputs = list(module.graph.inputs())[1:]
        names = [value.debugName().split(".")[0] for value in graph_inputs]
        found = {name: _annotation(value) for name, value in zip(names, graph_inputs, strict=True)}
        annotated = {name: spec for name, spec in found.items() if spec is not None}
        specs = choose_inputs(path, names, shapes, traced, annotated)
        _export_module(path, torch, module, specs, target)


def convert_module(path: Path, target: Path, shapes: Shapes) -> None:
    """Unpickle a whole nn.Module, which runs whatever code is in it, and write it to `target` as ONNX.

    Raises:
        ModelError: it is no module, its input shapes are not given, or ONNX cannot express it.
    """
    torch = ensure_torch(path)
    with _quiet(torch):
        module = _attempt(path, "read", lambda: torch.load(str(path), map_location="cpu", weights_only=False))
        if not isinstance(module, torch.nn.Module):
            raise ModelError(describe_state_dict(path))
        module.eval()
        parameters = inspect.signature(module.forward).parameters.values()
        names = [item.name for item in parameters if item.default is item.empty and item.kind != item.VAR_KEYWORD]
        _export_module(path, torch, module, choose_inputs(path, names, shapes, None, {}), target)


def describe_state_dict(path: Path) -> str:
    """Why a checkpoint cannot be opened, and the way out."""
    return (
        f"{path} holds weights without the network they belong to (a state dict). Load it into your network and "
        "export that with torch.export.save or torch.onnx.export."
    )


def _annotation(value: Any) -> tuple[tuple[int, ...], str] | None:
    kind = value.type()
    sizes = kind.sizes() if kind.kind() == "TensorType" else None
    if sizes is None or any(size is None for size in sizes):
        return None
    return tuple(sizes), str(kind.dtype() or "float32").removeprefix("torch.")


def _export_module(path: Path, torch: Any, module: Any, specs: list[InputSpec], target: Path) -> None:
    """Trace with a batch of any size if that works for another batch too, else with the shapes as they are."""
    with torch.no_grad():
        inputs, expected = _run_example(path, torch, module, specs)
        example = _Example(tuple(spec.name for spec in specs), inputs, expected)
        if _trace_any_batch(path, torch, module, example, target):
            return
        _trace(path, torch, module, example, target)
        db = _agreement(torch, target, example)
    if db < MIN_CLOSE_DB:
        raise ModelError(_describe_disagreement(path, db))


def _trace_any_batch(path: Path, torch: Any, module: Any, example: _Example, target: Path) -> bool:
    """Whether the traced model agrees with the module on the example and on a batch that is one larger."""
    try:
        _trace(path, torch, module, example, target, is_dynamic=True)
        larger = [torch.cat([item, item[:1]]) for item in example.inputs]
        other = _Example(example.names, larger, _flatten(torch, module(*larger)))
        return min(_agreement(torch, target, example), _agreement(torch, target, other)) >= MIN_AGREEMENT_DB
    except (ModelError, RuntimeError, IndexError, TypeError):  # a batch that is built into the model
        return False


def _run_example(path: Path, torch: Any, module: Any, specs: list[InputSpec]) -> tuple[list[Any], list[Any]]:
    """Example inputs that the module accepts, and what it gives for them; unknown dtypes are floats, else integers."""
    errors = []
    for default in ("float32", "int64"):
        inputs = [_draw(torch, spec, spec.dtype or default) for spec in specs]
        try:
            return inputs, _flatten(torch, module(*inputs))
        except Exception as error:  # noqa: BLE001  torch raises whatever the module's own operators do
            errors.append(error)
    shapes = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs)
    raise ModelError(f"{path} cannot be run with the inputs {shapes}: {_last_line(errors[0])}. Give other shapes with "
                     "--input-shape.")  # fmt: skip


def _draw(torch: Any, spec: InputSpec, dtype: str) -> Any:
    kind = getattr(torch, dtype)
    generator = torch.Generator().manual_seed(0)
    if kind.is_floating_point:
        return torch.randn(spec.shape, generator=generator).to(kind)
    return torch.randint(0, 2, spec.shape, generator=generator).to(kind)


def _trace(path: Path, torch: Any, module: Any, example: _Example, target: Path, *, is_dynamic: bool = False) -> None:
    outputs = [f"output_{index}" for index in range(len(example.outputs))] if len(example.outputs) > 1 else ["output"]
    axes = {name: {0: "batch"} for name in (*example.names, *outputs)} if is_dynamic else None
    _attempt(
        path,
        "convert to ONNX",
        lambda: torch.onnx.export(
            module,
            tuple(example.inputs),
            str(target),
            input_names=list(example.names),
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        ),
    )


def _compare_program(path: Path, torch: Any, program: Any, target: Path) -> None:
    """Run both on the program's own example inputs, if it has them."""
    if not program.example_inputs or program.example_inputs[1]:
        return
    inputs = _flatten(torch, program.example_inputs[0])
    session = Session(target)
    if len(inputs) != len(session.inputs) or not all(isinstance(item, torch.Tensor) for item in inputs):
        return
    with torch.no_grad():
        expected = _flatten(torch, _attempt(path, "run", lambda: program.module()(*program.example_inputs[0])))
        names = tuple(item.name for item in session.inputs)
        db = _agreement(torch, target, _Example(names, inputs, expected))
    if db < MIN_CLOSE_DB:
        raise ModelError(_describe_disagreement(path, db))


def _agreement(torch: Any, target: Path, example: _Example) -> float:
    """SQNR in dB of ONNX Runtime's outputs against torch's, the worst of all float outputs."""
    feeds: Arrays = {name: item.detach().numpy() for name, item in zip(example.names, example.inputs, strict=True)}
    session = Session(target)
    outputs = session.run({item.name: feeds[item.name] for item in session.inputs})
    worst = float("inf")
    expected = [item for item in example.outputs if isinstance(item, torch.Tensor)]
    for result, wanted in zip(outputs, expected, strict=False):
        reference = wanted.detach().double().numpy()
        if result.shape != reference.shape:
            return -float("inf")
        noise = float(np.square(reference - result).sum())
        signal = float(np.square(reference).sum())
        if noise > 0:
            worst = min(worst, 10 * float(np.log10(signal / noise)) if signal > 0 else -float("inf"))
        elif np.isnan(noise):
            return -float("inf")
    return worst


def _describe_disagreement(path: Path, db: float) -> str:
    return (
        f"{path} computes something else as ONNX than in PyTorch ({db:.0f} dB apart), so it was not opened. "
        "Export it with torch.onnx.export and look at the warnings."
    )


def _flatten(torch: Any, outputs: Any) -> list[Any]:
    return list(torch.utils._pytree.tree_leaves(outputs))  # noqa: SLF001


def _attempt(path: Path, what: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ModelError:
        raise
    except Exception as error:  # torch raises a hundred unrelated classes, and its message is all there is to say
        raise ModelError(
            f"PyTorch could not {what} {path}: {_last_line(error)}. Export it with this version of PyTorch "
            "(torch.export.save), or with torch.onnx.export."
        ) from error


def _last_line(error: BaseException) -> str:
    """The cause rather than the wrapper: torch puts advice first and wraps errors several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error).rstrip(".")


@contextlib.contextmanager
def _weights_only(*, is_needed: bool) -> Iterator[None]:
    """Keep torch.load from falling back to arbitrary unpickling, wherever in torch it is called."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    if is_needed:
        os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _muted_descriptor() -> Iterator[None]:
    """Mute standard output below Python, where the TorchScript exporter prints whole graphs when it fails."""
    try:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        kept = os.dup(1)
    except (OSError, ValueError):  # a window without a console has none
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(sink)


@contextlib.contextmanager
def _quiet(torch: Any) -> Iterator[None]:
    """Keep the exporter's progress, warnings and log lines off the terminal."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    logging.disable(logging.ERROR)
    state = torch.random.get_rng_state()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _muted_descriptor():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.random.set_rng_state(state)
        logging.disable(logging.NOTSET)
        logger.setLevel(level)
