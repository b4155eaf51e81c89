"""What the service of a bundle answers, to good requests and to bad ones."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.runtime import Session
from engine.requests.data import DataChoice
from engine.requests.handing_over import BundleRequest

LoadTemplate = Callable[[str], ModuleType]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, quantized_digits: Path, digit_images: Path) -> Path:
    """A bundle of the digits model that takes images."""
    output = tmp_path_factory.mktemp("bundle") / "digits"
    run_request(BundleRequest(str(quantized_digits), str(output), DataChoice(str(digit_images))), JobContext())
    return output


@pytest.fixture
def client(bundle: Path, load_template: LoadTemplate) -> Any:
    """A client of the application, without a network."""
    predict = load_template("predict")
    return load_template("service").create_app(predict.Predictor(bundle, threads=1), max_bytes=1 << 16).test_client()


def test_that_health_says_what_is_served(client: Any) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "model": "model", "version": "1.0.0"})


def test_that_an_image_is_answered_with_class_name_and_probability(client: Any, digit_images: Path) -> None:
    content = (digit_images / "7 digit" / "0.png").read_bytes()
    as_form = client.post("/predict", data={"image": (io.BytesIO(content), "seven.png")})
    as_body = client.post("/predict", data=content, content_type="image/png")
    assert as_form.status_code == 200, as_form.json
    assert as_form.json == as_body.json
    assert (as_form.json["class"], as_form.json["label"]) == (7, "7 digit")
    chances = [entry["probability"] for entry in as_form.json["top"]]
    assert chances == sorted(chances, reverse=True)
    assert 0.5 < chances[0] <= 1
    assert "outputs" not in as_form.json


def test_that_arrays_are_answered_with_the_outputs_of_the_model(
    client: Any, quantized_digits: Path, sample_test_data: Path
) -> None:
    session = Session(quantized_digits, threads=1)
    with np.load(sample_test_data) as data:
        images = data["images"][:3]
    name = session.inputs[0].name
    answer = client.post("/predict?outputs=1", json={"inputs": {name: images.tolist()}})
    found = np.asarray(answer.json["outputs"][session.outputs[0].name], np.float32)
    np.testing.assert_array_equal(found, session.run({name: images})[0])


def test_that_broken_requests_are_refused_in_a_sentence(client: Any) -> None:
    bombs = []
    for side in (8_000, 20_000):
        stream = io.BytesIO()
        Image.new("1", (side, side)).save(stream, "PNG")
        bombs.append(stream.getvalue())
    good = np.zeros((1, 1, 8, 8)).tolist()
    cases = [
        (client.post("/predict", data={"picture": (io.BytesIO(b"x"), "x.png")}), 400, "field 'image'"),
        (client.post("/predict", data=b"no image", content_type="image/png"), 400, "no image that can be read"),
        *((client.post("/predict", data=bomb, content_type="image/png"), 400, "50,000,000 pixels") for bomb in bombs),
        (client.post("/predict", data=b"x", content_type="text/plain"), 415, "application/json"),
        (client.post("/predict", data=b"{", content_type="application/json"), 400, ""),
        (client.post("/predict", data=b"[" * 60_000, content_type="application/json"), 400, "nested too deeply"),
        (client.post("/predict", json=[1]), 400, '{"inputs"'),
        (client.post("/predict", json={"inputs": {}}), 400, "is missing"),
        (client.post("/predict", json={"inputs": {"images": [[1, 2], [3]]}}), 400, "cannot be used"),
        (client.post("/predict", json={"inputs": {"images": "text"}}), 400, "cannot be used"),
        (client.post("/predict", json={"inputs": {"images": [[1.0]]}}), 400, "has the shape"),
        (client.post("/predict", data=b"\0" * (1 << 17), content_type="image/png"), 413, "larger than"),
        (client.get("/predict"), 405, ""),
        (client.get("/files/manifest.json"), 404, ""),
    ]
    for answer, status, words in cases:
        assert answer.status_code == status, answer.json
        assert words in answer.json["error"]
    assert client.post("/predict", json={"inputs": {"images": good}}).status_code == 200


def test_that_labels_follow_the_folders_and_files_have_the_digests_of_the_manifest(bundle: Path) -> None:
    assert (bundle / "labels.txt").read_text("utf-8").splitlines() == [f"{digit} digit" for digit in range(10)]
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    assert manifest["model"]["inputs"] == [{"name": "images", "dtype": "float32", "shape": ["batch", 1, 8, 8]}]
