"""Run the model of this bundle on one sample.

    python predict.py image.jpg            an image, where the bundle has a preprocess.json
    python predict.py inputs.npy           an array for the model's only input, already prepared
    python predict.py inputs.npz           one array per input, named like it

Needs onnxruntime and numpy, and pillow for images. `--json` prints a JSON document, `--output FILE.npz` keeps the
raw outputs. As a module: `Predictor().predict_image(image)`.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

HERE = Path(__file__).resolve().parent
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
LETTERBOX_GREY = 114
MAX_PIXELS = 50_000_000
TOO_LARGE = f"The image has more than {MAX_PIXELS:,} pixels."
TOP = 5


class InputError(ValueError):
    """A sample that the model cannot take; the text says why."""


class Predictor:
    """The model of a bundle, loaded once; `run` may be called from several threads."""

    def __init__(self, folder: Path = HERE, threads: int = 0) -> None:
        """Load the model. `threads`: per call, 0 for all cores."""
        self.manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        model = str(folder / self.manifest["model"]["file"])
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = self.manifest["model"]["inputs"]
        self.preprocessing = _read_json(folder / "preprocess.json")
        labels = folder / "labels.txt"
        self.labels = labels.read_text("utf-8").splitlines() if labels.exists() else []

    def predict_file(self, path: Path) -> dict[str, np.ndarray]:
        """Outputs by name for an image, .npy or .npz file."""
        with path.open("rb") as stream:
            if path.suffix.lower() in (".npy", ".npz"):
                found = np.load(stream, allow_pickle=False)
                if isinstance(found, np.ndarray):
                    found = {self.inputs[0]["name"]: found}
                return self.predict_arrays({name: found[name] for name in found})
            return self.predict_image(open_image(stream))

    def predict_image(self, image: Any) -> dict[str, np.ndarray]:
        """Outputs by name for an opened Pillow image."""
        if self.preprocessing is None:
            raise InputError("This model takes arrays, not images: there is no preprocess.json.")
        spec = self.inputs[0]
        pixels = prepare(image, self.preprocessing)
        return self._run({spec["name"]: normalize(pixels[np.newaxis], self.preprocessing, np.dtype(spec["dtype"]))})

    def predict_arrays(self, arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        """Outputs by name for prepared inputs; nested lists are fine."""
        feeds = {}
        for spec in self.inputs:
            if spec["name"] not in arrays:
                names = ", ".join(item["name"] for item in self.inputs)
                raise InputError(f"The input '{spec['name']}' is missing. The model takes: {names}.")
            feeds[spec["name"]] = _fit(arrays[spec["name"]], spec)
        return self._run(feeds)

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run; a single sample is repeated where the model takes a fixed number at once."""
        fixed = [spec["shape"][0] for spec in self.inputs if len(spec["shape"]) > 1]
        count = fixed[0] if fixed and isinstance(fixed[0], int) else 1
        is_single = count > 1 and all(len(feeds[spec["name"]]) == 1 for spec in self.inputs if len(spec["shape"]) > 1)
        if is_single:
            feeds = {
                name: np.repeat(value, count, axis=0) if value.ndim > 1 else value for name, value in feeds.items()
            }
        names = [output.name for output in self.session.get_outputs()]
        try:
            values = self.session.run(names, feeds)
        except Exception as error:  # onnxruntime raises classes of its own for inputs that do not fit
            reason = str(error).strip().splitlines()[0][:300]
            raise InputError(f"The model cannot run these inputs: {reason}") from error
        return {name: value[:1] if is_single else value for name, value in zip(names, values, strict=True)}

    def describe(self, outputs: dict[str, np.ndarray], *, with_outputs: bool = False) -> dict[str, Any]:
        """A JSON document: the best classes of a classifier, and the raw outputs if asked for or if it is none."""
        document: dict[str, Any] = {"model": self.manifest["name"], "version": self.manifest["version"]}
        scores = class_scores(outputs)
        if scores is not None:
            chances = as_probabilities(scores)
            best = np.argsort(-scores, kind="stable")[:TOP]
            document["top"] = [
                {
                    "class": int(index),
                    "label": self._label(int(index)),
                    "score": _number(scores[index]),
                    "probability": _number(chances[index]),
                }
                for index in best
            ]
            document |= {"class": document["top"][0]["class"], "label": document["top"][0]["label"]}
        if with_outputs or scores is None:
            document["outputs"] = {name: _plain(value) for name, value in outputs.items()}
        return document

    def _label(self, index: int) -> str | None:
        return (self.labels[index] or None) if index < len(self.labels) else None


def open_image(stream: Any) -> Any:
    """Open an image of a known format and a reasonable size, and read its pixels."""
    from PIL import Image

    try:
        image = Image.open(stream, formats=IMAGE_FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise InputError(TOO_LARGE)
        image.load()
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(TOO_LARGE) from error
    except Exception as error:  # Pillow raises whatever a broken file makes it stumble over
        raise InputError(f"This is no image that can be read ({', '.join(IMAGE_FORMATS)}).") from error
    return image


def prepare(image: Any, preprocessing: dict[str, Any]) -> np.ndarray:
    """Resize, center crop and order the channels → uint8 [height, width, channels]."""
    if image.mode.startswith(("I", "F")):
        raise InputError(f"The image has more than 8 bits per channel (mode {image.mode}).")
    color, crop = preprocessing["color"], preprocessing["crop"]
    image = _resize(image.convert("L" if color == "L" else "RGB"), preprocessing)
    if crop is not None:
        height, width = crop
        if image.height < height or image.width < width:
            raise InputError(f"The image is {image.height}×{image.width}, smaller than the crop of {height}×{width}.")
        top, left = (image.height - height) // 2, (image.width - width) // 2
        image = image.crop((left, top, left + width, top + height))
    pixels = np.asarray(image)
    if color == "L":
        return pixels[:, :, np.newaxis]
    return pixels[:, :, ::-1] if color == "BGR" else pixels


def _resize(image: Any, preprocessing: dict[str, Any]) -> Any:
    """Fit into a grey frame (letterbox), scale to a size, or scale the shorter side: whichever is asked for."""
    from PIL import Image

    if preprocessing["letterbox"] is not None:
        height, width = preprocessing["letterbox"]
        scale = min(height / image.height, width / image.width)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        canvas = Image.new(image.mode, (width, height), (LETTERBOX_GREY,) * len(image.getbands()))
        position = ((width - inner[0]) // 2, (height - inner[1]) // 2)
        canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), position)
        return canvas
    if preprocessing["resize"] is not None:
        height, width = preprocessing["resize"]
        return image.resize((width, height), Image.Resampling.BILINEAR)
    short_side = preprocessing["resize_short"]
    if short_side is None or min(image.size) == short_side:
        return image
    short, long = min(image.size), max(image.size)
    length = max(1, int(short_side * long / short))
    size = (length, short_side) if image.width >= image.height else (short_side, length)
    return image.resize(size, Image.Resampling.BILINEAR)


def normalize(pixels: np.ndarray, preprocessing: dict[str, Any], dtype: np.dtype[Any]) -> np.ndarray:
    """x = (pixel · scale − mean) / std in float32: uint8 [batch, height, width, channels] → `dtype` in the layout."""
    values: np.ndarray = pixels
    scale, mean, std = preprocessing["scale"], preprocessing["mean"], preprocessing["std"]
    if np.issubdtype(dtype, np.floating):
        values = pixels.astype(np.float32)
        if scale != 1.0 or any(mean) or any(value != 1.0 for value in std):
            values *= np.float32(scale)
            values -= np.asarray(mean, np.float32)
            values /= np.asarray(std, np.float32)
    if preprocessing["layout"] == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, dtype)


def class_scores(outputs: dict[str, np.ndarray]) -> np.ndarray | None:
    """The scores of the first sample, if the first float output is one vector per sample; else None."""
    first = next((value for value in outputs.values() if np.issubdtype(value.dtype, np.floating)), None)
    if first is None or first.ndim < 2 or not len(first) or first[0].size != first.shape[1] or first[0].size < 2:
        return None
    return first[0].reshape(-1).astype(np.float64)


def as_probabilities(scores: np.ndarray) -> np.ndarray:
    """Softmax, unless the scores are probabilities already."""
    if (scores >= 0).all() and abs(scores.sum() - 1) < 0.05:
        return scores
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def _fit(value: Any, spec: dict[str, Any]) -> np.ndarray:
    """An array with the dtype and the shape that the model declares; a missing batch axis is added."""
    dtype, shape = np.dtype(spec["dtype"]), spec["shape"]
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError("it must hold numbers, all rows of the same length")
        if dtype.kind in "iu" and array.dtype.kind == "f" and (array != np.trunc(array)).any():
            raise ValueError(f"it must hold whole numbers, as the model takes {dtype}")
        if dtype.kind in "iu" and array.size:
            limits = np.iinfo(dtype)
            if array.min() < limits.min or array.max() > limits.max:
                raise ValueError(f"it has values outside {dtype}")
        array = array.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"The input '{spec['name']}' cannot be used: {error}.") from error
    if array.ndim == len(shape) - 1:
        array = array[np.newaxis]
    sizes = zip(shape[1:], array.shape[1:], strict=False)
    if array.ndim != len(shape) or any(isinstance(want, int) and want != size for want, size in sizes):
        raise InputError(f"The input '{spec['name']}' has the shape {list(array.shape)}, the model takes {shape}.")
    return array


def _number(value: Any) -> float | None:
    """What JSON can say: null for an infinite or undefined number."""
    return float(value) if np.isfinite(value) else None


def _plain(value: np.ndarray) -> Any:
    if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
        return np.where(np.isfinite(value), value, None).tolist()
    return value.tolist()


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """What `np.savez` does, for any name: it takes `file` for itself."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(values), allow_pickle=False)


def _read_json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def main() -> int:
    """The command line; exit 0 done, 1 failed with one line on standard error."""
    parser = argparse.ArgumentParser(description="Run the model of this bundle on one sample.")
    parser.add_argument("sample", type=Path, help="an image, a .npy or a .npz file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--output", type=Path, metavar="FILE.npz", help="also keep the raw outputs")
    parser.add_argument("--threads", type=int, default=0, help="per call (default: all cores)")
    arguments = parser.parse_args()
    predictor = Predictor(threads=arguments.threads)
    try:
        outputs = predictor.predict_file(arguments.sample)
    except (InputError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        print(f"{arguments.sample}: {error}", file=sys.stderr)
        return 1
    if arguments.output is not None:
        save_arrays(arguments.output, outputs)
    document = predictor.describe(outputs)
    if arguments.json:
        print(json.dumps(document))
    elif "top" in document:
        for entry in document["top"]:
            label = f"  {entry['label']}" if entry["label"] else ""
            chance = "–" if entry["probability"] is None else f"{entry['probability']:.1%}"
            print(f"{chance:>6}  class {entry['class']}{label}")
    else:
        for name, value in outputs.items():
            print(f"{name} {list(value.shape)} {value.dtype}\n{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
