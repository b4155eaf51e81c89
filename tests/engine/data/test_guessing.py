"""Guesses of preprocessing, presets, and what a preview says."""

import dataclasses
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.guessing import fit_to_input, guess_preprocessing, load_presets
from engine.data.preprocessing import (
    LETTERBOX_GREY,
    Preprocessing,
    format_preprocessing,
    load_preprocessing,
    parse_preprocessing,
)
from engine.data.preview import build_preview, find_warnings
from engine.errors import DataError
from engine.input_check import check_inputs, fit_presets
from engine.job_context import JobContext
from engine.requests.data import (
    ChannelStatistics,
    CheckRequest,
    DataChoice,
    GuessReason,
    PreviewRequest,
    PreviewWarning,
)
from engine.requests.opening import FitRequest
from engine.summary import ModelSummary, NodeSummary, TensorSpec
from engine.user_files import config_folder
from tests.engine.models import colour_classifier, open_built


def summary_of(
    path: str, shape: tuple[int | str, ...], *, op: str = "Conv", classes: int = 1000, dtype: str = "float32"
) -> ModelSummary:
    return ModelSummary(
        path=path,
        sha256="0",
        file_bytes=0,
        fixed_bytes=0,
        opset=17,
        producer="",
        inputs=(TensorSpec("input", dtype, shape),),
        outputs=(TensorSpec("output", "float32", ("batch", classes)),),
        layers=(),
        nodes=(NodeSummary("n", op, ("input",), ("o",)),),
    )


@pytest.mark.parametrize(
    ("model", "preset", "layout", "crop", "reason"),
    [
        (summary_of("resnet50.onnx", ("n", 3, 224, 224)), "imagenet_torchvision", "NCHW", (224, 224), "common"),
        (summary_of("inception_v3.onnx", ("n", 3, 299, 299)), "imagenet_inception", "NCHW", (299, 299), "name"),
        (summary_of("net.onnx", ("n", 160, 160, 3)), "imagenet_tensorflow", "NHWC", (160, 160), "layout"),
        (summary_of("net.onnx", ("n", 3, 32, 32)), "cifar10", "NCHW", (32, 32), "size"),
        (summary_of("net.onnx", (1, 1, 28, 28)), "mnist", "NCHW", (28, 28), "size"),
        (summary_of("net.onnx", ("n", 3, 224, 224), op="Sub"), "raw_255", "NCHW", (224, 224), "inside"),
        (summary_of("net.onnx", ("n", 3, "h", "w")), "imagenet_torchvision", "NCHW", (224, 224), "common"),
    ],
)
def test_that_shape_name_and_first_operator_decide(
    tmp_path: Path, model: ModelSummary, preset: str, layout: str, crop: tuple[int, int], reason: str
) -> None:
    guess = guess_preprocessing(model, tmp_path, (300, 400))
    found = parse_preprocessing(guess.preprocessing, "guess")
    assert (guess.preset, found.layout, found.crop) == (preset, layout, crop)
    assert GuessReason(reason) in guess.reasons
    assert found.color == ("L" if preset == "mnist" else "RGB")


def test_that_a_background_class_shifts_the_labels(tmp_path: Path) -> None:
    model = summary_of("net.onnx", ("n", 3, 224, 224), classes=1001)
    guess = guess_preprocessing(model, tmp_path, (300, 400))
    assert parse_preprocessing(guess.preprocessing, "guess").label_offset == 1


def test_that_a_file_beside_the_data_goes_before_any_guess(tmp_path: Path) -> None:
    (tmp_path / "preprocess.json").write_text('{"scale": 0.5}')
    guess = guess_preprocessing(summary_of("net.onnx", ("n", 3, 224, 224)), tmp_path, (300, 400))
    assert (guess.reasons, guess.file) == ((GuessReason.FILE,), "preprocess.json")
    assert parse_preprocessing(guess.preprocessing, "guess").scale == 0.5


def test_that_images_of_the_right_size_are_left_alone() -> None:
    preset = next(preset for preset in load_presets() if preset.name == "imagenet_torchvision")
    spec = TensorSpec("i", "float32", ("n", 3, 32, 32))
    fitted = fit_to_input(preset.preprocessing, spec, (32, 32))
    assert (fitted.resize_short, fitted.crop) == (None, None)
    other = fit_to_input(preset.preprocessing, spec, (100, 80))
    assert (other.resize_short, other.crop) == (round(32 * 256 / 224), (32, 32))


def test_that_integer_inputs_get_plain_pixels() -> None:
    preset = next(preset for preset in load_presets() if preset.name == "imagenet_torchvision")
    assert not fit_to_input(preset.preprocessing, TensorSpec("i", "uint8", ("n", 224, 224, 3)), None).changes_values


def test_that_users_presets_replace_their_namesakes_and_a_malformed_one_is_named() -> None:
    folder = config_folder("preprocess")
    folder.mkdir(parents=True)
    try:
        (folder / "raw_1.json").write_text('{"title": "Mine", "scale": 0.25}')
        found = {preset.name: preset for preset in load_presets()}
        assert (found["raw_1"].title, found["raw_1"].preprocessing.scale) == ("Mine", 0.25)
        assert "mnist" in found
        (folder / "broken.json").write_text('{"scale": "x"}')
        with pytest.raises(DataError, match=r"'scale' in broken\.json must be a number"):
            load_presets()
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_that_written_preprocessing_is_read_back(tmp_path: Path) -> None:
    values = Preprocessing(letterbox=(6, 4), color="BGR", scale=1 / 255, mean=(0.1, 0.2, 0.3), label_offset=2)
    (tmp_path / "p.json").write_text(format_preprocessing(values))
    assert load_preprocessing(tmp_path / "p.json") == values
    assert "crop" not in json.loads(format_preprocessing(values))


def test_that_two_ways_to_resize_are_refused() -> None:
    with pytest.raises(DataError, match="both 'resize_short' and 'letterbox'"):
        parse_preprocessing('{"resize_short": 4, "letterbox": 4}', "p.json")


def test_that_letterbox_keeps_the_aspect_ratio_and_fills_with_grey() -> None:
    image = Image.new("RGB", (8, 4), (200, 10, 30))
    pixels = Preprocessing(letterbox=(8, 8)).prepare(image, "i")
    assert (pixels[:2] == LETTERBOX_GREY).all()
    assert (pixels[6:] == LETTERBOX_GREY).all()
    assert (pixels[2:6] == (200, 10, 30)).all()


def test_that_stretching_ignores_the_aspect_ratio() -> None:
    assert Preprocessing(resize=(3, 5)).prepare(Image.new("RGB", (8, 4)), "i").shape == (3, 5, 3)


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        ((0.0, 255.0, 120.0, 60.0), (PreviewWarning.RAW,)),
        ((-1.0, 1.0, 0.1, 0.5), ()),
        ((-123.0, 151.0, 20.0, 60.0), ()),
        ((1000.0, 1255.0, 1120.0, 60.0), (PreviewWarning.RAW,)),
        ((-600.0, -300.0, -400.0, 50.0), (PreviewWarning.OFF_CENTRE,)),
        ((0.0, 0.0039, 0.002, 0.001), (PreviewWarning.SQUEEZED,)),
        ((3.0, 3.0, 3.0, 0.0), (PreviewWarning.CONSTANT,)),
    ],
)
def test_that_odd_values_are_noticed(
    statistics: tuple[float, float, float, float], expected: tuple[PreviewWarning, ...]
) -> None:
    assert find_warnings((ChannelStatistics(*statistics),), is_image=True) == expected


# --- with a model that knows colours ---------------------------------------------------------------


def write_colours(folder: Path) -> DataChoice:
    """Folders of reddish, greenish and bluish images."""
    generator = np.random.default_rng(0)
    for channel, name in enumerate("abc"):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(4):
            pixels = generator.integers(0, 100, (8, 8, 3)).astype(np.uint8)
            pixels[..., channel] += 60
            Image.fromarray(pixels).save(folder / "images" / name / f"{index}.png")
    return DataChoice(str(folder / "images"))


@pytest.fixture
def colour_model(tmp_path: Path) -> ModelSummary:
    """The class is the channel with the largest mean."""
    return open_built(colour_classifier(), tmp_path, "colours.onnx").summary


def test_that_a_preview_shows_the_tensor_and_its_figures(tmp_path: Path, colour_model: ModelSummary) -> None:
    data = dataclasses.replace(write_colours(tmp_path), preprocessing='{"scale": 0.5, "mean": [1, 2, 3]}')
    preview = build_preview(PreviewRequest("m", data, index=4), colour_model)
    assert (preview.name, preview.label, preview.samples, preview.shape) == ("b/1.png", 1, 12, (1, 3, 8, 8))
    pixels = np.asarray(Image.open(tmp_path / "images" / "b" / "1.png"), np.float64) * 0.5 - [1, 2, 3]
    for channel, found in enumerate(preview.channels):
        plane = pixels[..., channel]
        expected = (plane.min(), plane.max(), plane.mean(), plane.std())
        np.testing.assert_allclose(dataclasses.astuple(found), expected, rtol=1e-5)
    assert preview.before is not None
    assert preview.after is not None


def test_that_a_guess_is_kept_where_it_does_not_fit(tmp_path: Path, colour_model: ModelSummary) -> None:
    data = write_colours(tmp_path)
    (tmp_path / "images" / "preprocess.json").write_text('{"crop": 100}')
    preview = build_preview(PreviewRequest("m", data), colour_model)
    assert "smaller than the crop" in preview.problem
    assert preview.guess is not None
    assert parse_preprocessing(preview.guess.preprocessing, "g").crop == (100, 100)


def test_that_a_check_counts_right_answers_and_finds_shifted_labels(tmp_path: Path, colour_model: ModelSummary) -> None:
    data = write_colours(tmp_path)
    model = str(tmp_path / "colours.onnx")
    check = check_inputs(CheckRequest(model, dataclasses.replace(data, preprocessing="{}")), JobContext())
    assert (check.samples, check.right, check.best_offset) == (12, 12, 0)
    shifted = dataclasses.replace(data, preprocessing='{"label_offset": 1}')
    check = check_inputs(CheckRequest(model, shifted), JobContext())
    assert (check.right, check.best_offset, check.right_by_offset[-1]) == (0, -1, 12)


def test_that_trying_all_presets_finds_one_that_fits(tmp_path: Path, colour_model: ModelSummary) -> None:
    data = write_colours(tmp_path)
    fits = fit_presets(FitRequest(str(tmp_path / "colours.onnx"), data), colour_model, JobContext())
    rights = {fit.preset: fit.right for fit in fits.fits}
    assert fits.fits[0].right == 12
    assert rights["imagenet_caffe"] < 12
    assert [fit.right for fit in fits.fits] == sorted(rights.values(), reverse=True)


def test_that_a_preset_with_a_plain_resize_keeps_it_alone() -> None:
    preset = Preprocessing(resize=(512, 384))
    fixed = fit_to_input(preset, TensorSpec("x", "float32", (1, 3, 224, 224)), (300, 400))
    free = fit_to_input(preset, TensorSpec("x", "float32", (1, 3, "h", "w")), (300, 400))
    assert (fixed.resize, free.resize) == ((224, 224), (512, 384))
    for found in (fixed, free):
        assert parse_preprocessing(found.to_json(), "it") == found


def test_that_a_picture_of_billions_of_pixels_is_refused_by_its_name(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bomb\.png cannot be decoded"):
        build_preview(PreviewRequest("net.onnx", DataChoice(str(tmp_path))), summary_of("net.onnx", (1, 3, 8, 8)))
