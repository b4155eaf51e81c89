"""ONNX Runtime sessions: one place that sets threads, optimisation level and logging, and that can be cancelled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from engine.errors import ModelError
from engine.job_context import JobContext
from engine.summary import TensorSpec

Feeds = Mapping[str, np.ndarray[Any, Any]]

_DTYPES = {
    "float": "float32",
    "double": "float64",
}
# What onnxruntime puts before the reason: a code, the file, which may be a temporary one, a place in its own source.
_NOISE = re.compile(
    r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(Load model from .*? failed: ?)?"
    r"(\S*onnxruntime\S*:\d+ .+?\)(?: const)? (?=[A-Z]))?"
)
ort.set_default_logger_severity(4)


class Session:
    """A loaded model on the CPU.

    Attributes:
        inputs, outputs: of the graph, dtypes as numpy names, dynamic dimensions as strings.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int = 0,
        is_optimized: bool = True,
        is_spinning: bool = True,
        optimized_model_path: Path | None = None,
        profile_prefix: Path | None = None,
        name: str = "",
    ) -> None:
        """Load `model`, a path or a serialised ModelProto.

        Args:
            threads: intra-op threads; 0 means all cores.
            is_optimized: run ONNX Runtime's graph optimisations, or the graph exactly as written.
            is_spinning: let idle threads of the pool wait actively; off where sessions are timed in turn.
            optimized_model_path: where ONNX Runtime writes the optimised graph.
            profile_prefix: start of the name of a file to which every run's times go, node by node, until
                `end_profiling`.
            name: what messages call the model; by default its file name.

        Raises:
            ModelError: ONNX Runtime refuses the model.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        if not is_spinning:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if is_optimized else level.ORT_DISABLE_ALL
        if optimized_model_path is not None:
            options.optimized_model_filepath = str(optimized_model_path)
            name = f"{optimized_model_path.name}.data"
            options.add_session_config_entry("session.optimized_model_external_initializers_file_name", name)
        if profile_prefix is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile_prefix)
        self._name = name or (model.name if isinstance(model, Path) else "the model")
        source = str(model) if isinstance(model, Path) else model
        try:
            self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated classes of its own
            raise self._refusal("load", error) from error
        self.inputs = tuple(_spec(item) for item in self._session.get_inputs())
        self.outputs = tuple(_spec(item) for item in self._session.get_outputs())

    def run(
        self, feeds: Feeds, context: JobContext | None = None, outputs: Sequence[str] | None = None
    ) -> list[np.ndarray[Any, Any]]:
        """Run once; `context` can terminate the run from another thread.

        Args:
            outputs: names to fetch; all graph outputs by default.

        Raises:
            ModelError: ONNX Runtime cannot run these inputs.
            JobCancelled: cancelled while running.
        """
        names = list(outputs) if outputs is not None else None
        try:
            if context is None:
                return list(self._session.run(names, dict(feeds)))
            options = ort.RunOptions()
            with context.terminable(options):
                return list(self._session.run(names, dict(feeds), options))
        except RuntimeError as error:
            raise self._refusal("run", error) from error
        except Exception as error:
            if type(error).__module__.startswith("onnxruntime"):
                raise self._refusal("run", error) from error
            raise

    def end_profiling(self) -> Path:
        """Stop recording times, and say which file has them."""
        return Path(self._session.end_profiling())

    def _refusal(self, what: str, error: BaseException) -> ModelError:
        reason = first_line(error).rstrip(".")
        return ModelError(f"ONNX Runtime cannot {what} {self._name}: {reason}. Check the model, or export it again.")


def _spec(item: Any) -> TensorSpec:
    dtype = item.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else str(size or "?") for size in item.shape)
    return TensorSpec(item.name, _DTYPES.get(dtype, "float16" if dtype == "float16" else dtype), shape)


def first_line(error: BaseException) -> str:
    """The first line of a message, without what onnxruntime puts before the reason."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return _NOISE.sub("", text)[:300]
