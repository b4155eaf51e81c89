"""Running a bundle as its user will: in child processes that see its requirements and nothing of Bitsmith."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.comparison import class_scores
from engine.errors import ConversionError
from engine.job_context import JobContext

START_LIMIT_S = 90.0
ANSWER_LIMIT_S = 120.0
POLL_S = 0.05
STEPS = 6
"""Of the whole bundle, as progress counts them: load, copy, hash, run the script, ask the service, write."""
LEAST_REQUEST_BYTES = 16 << 20
_TOLERANCE = 1e-3
"""Of the largest output: other thread counts sum in another order."""
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Sample:
    """What the bundle is tried on.

    Attributes:
        path: an image or a .npz of prepared inputs.
        description: in words.
        inputs: of the workbench's own call; `expected` are the outputs of that call, by name.
    """

    path: Path
    description: str
    inputs: Arrays
    expected: Arrays

    @property
    def is_image(self) -> bool:
        """Whether it goes through the preprocessing of the bundle."""
        return self.path.suffix != ".npz"

    @property
    def expected_class(self) -> int | None:
        """The class that the workbench predicts; None if the model gives none."""
        scores = class_scores(list(self.expected.values()), is_tokens=False)
        return None if scores is None else int(scores[0].argmax())


def request_limit(sample: Sample) -> int:
    """Bytes that a request to the service may have: four such samples, rounded up to MiB, and at least 16 MiB."""
    body, _ = _encode(sample)
    return max(LEAST_REQUEST_BYTES, -(-4 * len(body) >> 20) << 20)


def verify_script(folder: Path, sample: Sample, scratch: Path, context: JobContext) -> None:
    """Run `predict.py` of the bundle in `folder` on the sample.

    Raises:
        ConversionError: it fails, or predicts something else than the workbench.
        JobCancelled: cancelled; the child process is gone.
    """
    outputs = scratch / "outputs.npz"
    command = ["predict.py", str(sample.path), "--json", "--output", str(outputs)]
    with _started(command, folder, scratch) as child:
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while child.poll() is None:
            context.report(3, STEPS, "Running predict.py")
            if time.monotonic() > deadline:
                raise ConversionError(f"predict.py of the bundle gave no answer within {ANSWER_LIMIT_S:.0f} s.")
            time.sleep(POLL_S)
        if child.returncode != 0:
            raise ConversionError(f"predict.py of the bundle failed: {_last_line(scratch)}")
        document = json.loads((scratch / "stdout.txt").read_text("utf-8"))
    with np.load(outputs) as found:
        _ensure_same("predict.py", {name: found[name] for name in found}, sample.expected)
    _ensure_class("predict.py", document, sample)


def verify_service(folder: Path, sample: Sample, scratch: Path, context: JobContext) -> tuple[str, float]:
    """Start `service.py` on a free port and ask it for `/health` and `/predict`.

    Returns:
        The name that it gives the predicted class, and how many seconds went by from start to answer.

    Raises:
        ConversionError: it does not start or answer, or predicts something else than the workbench.
        JobCancelled: cancelled; the child process is gone.
    """
    began = time.monotonic()
    with _started(["service.py", "--port", "0"], folder, scratch) as child:
        port = _read_port(child, scratch, context)
        health = _ask(port, "/health", None, context)
        document = _ask(port, "/predict?outputs=1", _encode(sample), context)
        seconds = time.monotonic() - began
    if health.get("status") != "ok":
        raise ConversionError(f"The service of the bundle says it is not well: {health}")
    found = {name: np.asarray(value, sample.expected[name].dtype) for name, value in document["outputs"].items()}
    _ensure_same("The service", found, sample.expected)
    _ensure_class("The service", document, sample)
    return str(document.get("label") or ""), seconds


@contextlib.contextmanager
def _started(arguments: list[str], folder: Path, scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that is gone when the block ends.

    What it says goes to files in `scratch`: a pipe that nobody empties would stop a script that prints much.

    `-S` leaves out `site`, and with it editable installs: what can be imported are the bundle's own files and the
    folder of installed packages. `-B` writes no compiled files into the bundle.
    """
    packages = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    kept = ("SYSTEMROOT", "PATH", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(sorted(packages)), "PYTHONUTF8": "1"}
    environment["ORT_DISABLE_TELEMETRY"] = os.environ.get("ORT_DISABLE_TELEMETRY", "1")
    with (scratch / "stdout.txt").open("wb") as output, (scratch / "stderr.txt").open("wb") as errors:
        child = subprocess.Popen(  # noqa: S603  this interpreter, on scripts of our own
            [sys.executable, "-S", "-B", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def _read_port(child: subprocess.Popen[bytes], scratch: Path, context: JobContext) -> int:
    """The port in the line that the service prints when it listens."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        context.report(4, STEPS, "Starting the service")
        has_ended = child.poll() is not None
        line, end, _ = (scratch / "stdout.txt").read_text("utf-8").partition("\n")
        if end:
            return int(line.rpartition(":")[2])
        if has_ended:
            raise ConversionError(f"service.py of the bundle failed: {_last_line(scratch)}")
        if time.monotonic() > deadline:
            raise ConversionError(f"service.py of the bundle did not start within {START_LIMIT_S:.0f} s.")
        time.sleep(POLL_S)


def _ask(port: int, path: str, body: tuple[bytes, str] | None, context: JobContext) -> dict[str, Any]:
    """GET, or POST of a body with its content type → the JSON document of a 200 answer; waiting can be cancelled."""
    content, headers = (body[0], {"Content-Type": body[1]}) if body is not None else (None, {})
    method = "GET" if body is None else "POST"
    answers: queue.SimpleQueue[tuple[int, bytes] | OSError] = queue.SimpleQueue()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_S)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            answers.put((response.status, response.read()))
        except (OSError, http.client.HTTPException) as error:
            answers.put(OSError(str(error)))
        finally:
            connection.close()

    threading.Thread(target=send, daemon=True).start()
    while True:
        context.report(4, STEPS, f"Asking the service: {method} {path.partition('?')[0]}")
        with contextlib.suppress(queue.Empty):
            answer = answers.get(timeout=POLL_S)
            if isinstance(answer, OSError):
                raise ConversionError(f"The service of the bundle did not answer {path}: {answer}")
            status, text = answer
            if status != 200:
                reason = text.decode("utf-8", "replace").strip()[:300]
                raise ConversionError(f"The service of the bundle answered {path} with {status}: {reason}")
            document: dict[str, Any] = json.loads(text)
            return document


def _encode(sample: Sample) -> tuple[bytes, str]:
    if sample.is_image:
        return sample.path.read_bytes(), "application/octet-stream"
    arrays = {name: value.tolist() for name, value in sample.inputs.items()}
    return json.dumps({"inputs": arrays}).encode(), "application/json"


def _ensure_same(who: str, found: Arrays, expected: Arrays) -> None:
    for name, wanted in expected.items():
        value = found.get(name)
        if value is None or value.shape != wanted.shape:
            raise ConversionError(f"{who} gives no output '{name}' of the shape {list(wanted.shape)}.")
        if wanted.dtype.kind != "f":
            is_same = np.array_equal(value, wanted)
        else:
            is_finite = np.isfinite(wanted)
            largest = float(np.abs(wanted[is_finite]).max(initial=0.0))
            difference = np.abs(value.astype(np.float64) - wanted)[is_finite]
            is_same = bool((difference <= _TOLERANCE * largest).all())
        if not is_same:
            raise ConversionError(f"{who} of the bundle gives another output '{name}' than the workbench.")


def _ensure_class(who: str, document: Mapping[str, Any], sample: Sample) -> None:
    wanted = sample.expected_class
    if document.get("class") != wanted:
        raise ConversionError(
            f"{who} of the bundle predicts class {document.get('class')} for {sample.description}, and the workbench "
            f"class {wanted}."
        )


def _last_line(scratch: Path) -> str:
    lines = (scratch / "stderr.txt").read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
