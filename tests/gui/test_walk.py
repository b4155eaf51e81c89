"""A user's walk through the real program on a real network, a `kill -9` in the middle of a conversion, and the rest.

BITSMITH_WALK=FOLDER keeps what the walk writes in that folder, with a picture of every stop in FOLDER/pictures.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

pytestmark = [pytest.mark.assets, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "walk" / "program.py"
IMAGES = 160
EVALUATED = 50
WALK_S = 1500.0
GONE_S = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the walk writes."""
    kept = os.environ.get("BITSMITH_WALK")
    if kept is None:
        return tmp_path_factory.mktemp("walk")
    shutil.rmtree(kept, ignore_errors=True)
    for part in ("first", "second"):
        (Path(kept) / "pictures" / part).mkdir(parents=True)
    return Path(kept)


@pytest.fixture(scope="module")
def images(assets: Path, folder: Path) -> Path:
    """A folder of labelled photographs."""
    source, chosen = assets / "data" / "imagenet_500", folder / "images"
    chosen.mkdir()
    with (source / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:IMAGES]
    for row in rows:
        shutil.copy(source / row["file"], chosen)
    with (chosen / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label"), *((row["file"], row["label"]) for row in rows)])
    return chosen


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """A home of its own and a screen: an X server where there is one, else none."""
    home = {name: str(folder / name.lower()) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")}
    values = {**os.environ, **home, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    server = shutil.which("Xvfb")
    if server is None:
        yield {**values, "QT_QPA_PLATFORM": "offscreen"}
        return
    reader, writer = os.pipe()
    command = [server, "-displayfd", str(writer), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as stream:
        display = stream.readline().strip()
    yield {**values, "QT_QPA_PLATFORM": "xcb", "DISPLAY": f":{display}"}
    process.terminate()
    process.wait()


def test_that_a_user_finishes_the_loop_although_the_program_is_killed(
    assets: Path, folder: Path, images: Path, environment: dict[str, str]
) -> None:
    model = assets / "models" / "imagenet_mobilenet_v2_dequant_ptq.onnx"
    first = start("first", model, images, folder, environment)
    state = wait_for_state(first, folder / "killed.json")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    wait_until_gone(state["worker"])

    second = start("second", model, images, folder, environment)
    _, problem = second.communicate(timeout=WALK_S)
    assert second.returncode == 0, problem
    mixed, uniform, finished = json.loads((folder / "finished.json").read_text())["outputs"]
    assert Path(finished).read_bytes() == Path(uniform).read_bytes(), "the kill changed what was converted"
    assert finished.endswith("_8bit-2.onnx"), "the killed conversion left a file"
    assert (folder / "bundle.zip").is_file()
    assert (folder / "report.html").is_file()
    assert 4 * Path(mixed).stat().st_size <= model.stat().st_size
    in_float = count_right(model, images, assets)
    assert in_float > EVALUATED * 0.8
    assert count_right(Path(finished), images, assets) >= in_float - 0.02 * EVALUATED


def start(part: str, model: Path, images: Path, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(PROGRAM), part, str(model), str(images), str(folder)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)


def wait_for_state(process: subprocess.Popen[str], file: Path) -> dict[str, Any]:
    """What the walk says when it is to be killed."""
    deadline = time.monotonic() + WALK_S
    while not file.is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the walk does not come to its end"
        time.sleep(0.05)
    return dict(json.loads(file.read_text()))


def wait_until_gone(pid: int) -> None:
    """The worker ends by itself when its window is gone."""
    deadline = time.monotonic() + GONE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlives its window"
        time.sleep(0.05)


def count_right(model: Path, images: Path, assets: Path) -> int:
    """How many of the last photographs, which did not calibrate first, a file classifies rightly in ONNX Runtime."""
    preprocessing = json.loads((assets / "data" / "mobilenet_v2.preprocess.json").read_text())
    with (images / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))[-EVALUATED:]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    right = 0
    for row in rows:
        scores = session.run(None, {name: read_image(images / row["file"], preprocessing)})[0]
        right += int(np.argmax(scores)) == int(row["label"]) + preprocessing["label_offset"]
    return right


def read_image(path: Path, preprocessing: dict[str, Any]) -> NDArray[np.float32]:
    """The photograph as the network expects it, by Pillow alone."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    factor = preprocessing["resize_short"] / min(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    width, height = preprocessing["crop"]
    left, top = (image.width - width) // 2, (image.height - height) // 2
    pixels = np.asarray(image.crop((left, top, left + width, top + height)), np.float32)
    values = (pixels * preprocessing["scale"] - preprocessing["mean"]) / preprocessing["std"]
    return values.astype(np.float32).transpose(2, 0, 1)[np.newaxis]
