"""predict.py of a bundle against the engine's own preprocessing, to the bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from engine.data.dataset import open_dataset
from engine.data.preprocessing import Preprocessing
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

LoadTemplate = Callable[[str], ModuleType]

PREPARATIONS = {
    "imagenet": Preprocessing(resize_short=36, crop=(32, 32), scale=1 / 127.5, mean=(1.0,), std=(1.0,)),
    "bgr_std": Preprocessing(
        resize_short=33, crop=(32, 30), color="BGR", layout="NHWC", scale=1 / 255,
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
    ),
    "grey": Preprocessing(crop=(20, 24), color="L", mean=(128.0,), std=(64.0,)),
    "untouched": Preprocessing(resize_short=40, layout="NHWC"),
    "stretched": Preprocessing(resize=(31, 50), scale=0.1),
    "letterbox": Preprocessing(letterbox=(64, 48), color="BGR", scale=1 / 255),
}  # fmt: skip


def draw_image(mode: str, size: tuple[int, int]) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(3).integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values)


@pytest.mark.parametrize("name", PREPARATIONS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("size", [(61, 47), (45, 90)])
def test_that_tensors_are_those_of_the_engine_to_the_bit(
    load_template: LoadTemplate, name: str, mode: str, size: tuple[int, int]
) -> None:
    predict, chosen, image = load_template("predict"), PREPARATIONS[name], draw_image(mode, size)
    written = json.loads(json.dumps(dataclasses.asdict(chosen)))
    expected = chosen.normalize(chosen.prepare(image, "image")[np.newaxis], np.dtype(np.float32))
    found = predict.normalize(predict.prepare(image, written)[np.newaxis], written, np.dtype(np.float32))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def test_that_integer_inputs_get_the_pixels_themselves(load_template: LoadTemplate) -> None:
    predict, chosen = load_template("predict"), Preprocessing(color="BGR", layout="NHWC")
    written = json.loads(json.dumps(dataclasses.asdict(chosen)))
    image = draw_image("RGB", (9, 7))
    found = predict.normalize(predict.prepare(image, written)[np.newaxis], written, np.dtype(np.uint8))
    assert found.tobytes() == np.ascontiguousarray(np.asarray(image)[np.newaxis, ..., ::-1]).tobytes()


@pytest.mark.assets
def test_that_photographs_become_the_tensors_of_the_data_set(load_template: LoadTemplate, assets: Path) -> None:
    predict = load_template("predict")
    folder, choice = assets / "data" / "imagenet_500", assets / "data" / "mobilenet_v2.preprocess.json"
    spec = TensorSpec("input", "float32", ("batch", 3, 224, 224))
    dataset = open_dataset(DataChoice(str(folder), str(choice)), (spec,))
    assert dataset.image_preprocessing is not None
    written = json.loads(json.dumps(dataclasses.asdict(dataset.image_preprocessing)))
    files = [line.split(",")[0] for line in (folder / "labels.csv").read_text("utf-8").splitlines()[1:25]]
    for file, batch in zip(files, dataset.batches(1, 24), strict=True):
        with (folder / file).open("rb") as stream:
            pixels = predict.prepare(predict.open_image(stream), written)
        found = predict.normalize(pixels[np.newaxis], written, np.dtype(np.float32))
        assert found.tobytes() == batch.inputs["input"].tobytes(), file


def test_that_outputs_of_any_name_are_kept_and_broken_files_are_one_line(
    load_template: LoadTemplate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predict = load_template("predict")
    arrays = {"file": np.arange(3), "a/b:0": np.ones((2, 2), np.float32)}
    predict.save_arrays(tmp_path / "kept.npz", arrays)
    with np.load(tmp_path / "kept.npz") as found:
        assert {name: found[name].tolist() for name in found} == {name: a.tolist() for name, a in arrays.items()}
    (tmp_path / "cut.npz").write_bytes((tmp_path / "kept.npz").read_bytes()[:200])
    (tmp_path / "empty.npy").write_bytes(b"")
    monkeypatch.setattr(predict.Predictor, "__init__", lambda self, **_: setattr(self, "inputs", [{"name": "x"}]))
    for name in ("cut.npz", "empty.npy"):
        monkeypatch.setattr("sys.argv", ["predict.py", str(tmp_path / name)])
        assert predict.main() == 1
        assert capsys.readouterr().err.count("\n") == 1
