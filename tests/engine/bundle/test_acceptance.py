"""MobileNetV2 in 8 bits as a bundle, on a machine that has only what the bundle asks for: a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.model.runtime import Session
from engine.plan import build_plan
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice
from engine.requests.handing_over import BundleRequest, BundleResult

pytestmark = [pytest.mark.slow, pytest.mark.assets, pytest.mark.timeout(600)]
IMAGES = 20


def test_that_the_service_answers_real_images_with_the_classes_of_the_workbench(tmp_path: Path, assets: Path) -> None:
    source = assets / "models" / "imagenet_mobilenet_v2_dequant_ptq.onnx"
    folder = assets / "data" / "imagenet_500"
    data = DataChoice(str(folder), str(assets / "data" / "mobilenet_v2.preprocess.json"))
    converted, bundle = tmp_path / "mobilenet-int8.onnx", tmp_path / "bundle"
    plan = build_plan(open_model(source).summary, 8)
    run_request(ConvertRequest(str(source), plan, str(converted), data, samples=64), JobContext())
    result = run_request(BundleRequest(str(converted), str(bundle), data, "mobilenet"), JobContext())
    assert isinstance(result, BundleResult)

    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-r", bundle / "requirements.txt"]
    subprocess.run(install, check=True)
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    probe = [python, "-c", "import engine"]
    assert subprocess.run(probe, cwd=bundle, env=alone, stderr=subprocess.DEVNULL, check=False).returncode == 1

    session = Session(converted)
    dataset = open_dataset(data, session.inputs)
    expected = [int(session.run(batch.inputs)[0][0].argmax()) for batch in dataset.batches(1, IMAGES)]
    files = [line.split(",")[0] for line in (folder / "labels.csv").read_text("utf-8").splitlines()[1 : IMAGES + 1]]
    service = subprocess.Popen(
        [python, "service.py", "--port", "0"], cwd=bundle, env=alone, stdout=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout is not None
        address = service.stdout.readline().split()[-1]
        found = [ask(f"{address}/predict", folder / file) for file in files]
    finally:
        service.kill()
        service.wait()
        assert service.stdout is not None
        service.stdout.close()
    assert found == expected
    assert len(set(found)) > IMAGES // 2
    assert sys.executable != str(python)


def ask(url: str, image: Path) -> int:
    """The class that the service gives an image file."""
    request = urllib.request.Request(url, image.read_bytes(), {"Content-Type": "image/jpeg"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(json.load(answer)["class"])
