"""Open data for a model: the one entry to `engine.data`."""

from __future__ import annotations

from pathlib import Path

from engine.data.array_dataset import TEXT_SUFFIX, ArrayDataset
from engine.data.batches import Batch, Dataset
from engine.data.image_dataset import ImageDataset
from engine.data.preprocessing import Preprocessing, load_preprocessing, parse_preprocessing
from engine.errors import DataError
from engine.requests.data import DataChoice, DataSummary
from engine.summary import TensorSpec

__all__ = ["Batch", "Dataset", "describe_dataset", "open_dataset"]

FOLDER_PREPROCESSING = "preprocess.json"


def open_dataset(choice: DataChoice, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """Open data and check that it fits a model with these inputs; little is read yet.

    An image folder may bring its own `preprocess.json`, which `choice.preprocess` overrides.

    Raises:
        DataError: nothing there, an unknown kind of file, or names, shapes and dtypes that do not fit.
    """
    path = Path(choice.path)
    if not path.exists():
        raise DataError(f"{path} does not exist. Choose another data file or folder.")
    preprocessing = None
    if choice.preprocessing:
        preprocessing = parse_preprocessing(choice.preprocessing, "The preprocessing")
    elif choice.preprocess:
        preprocessing = load_preprocessing(Path(choice.preprocess))
    if path.is_dir():
        preprocessing = preprocessing or _load_from_folder(path)
        _ensure_input_exists(preprocessing, inputs)
        return ImageDataset(choice, inputs, preprocessing)
    if path.suffix.lower() not in (".npz", ".npy", TEXT_SUFFIX):
        raise DataError(
            f"{path.name} is no data file that Bitsmith reads. Choose a .npz, a .npy, a .txt or an image folder."
        )
    _ensure_input_exists(preprocessing, inputs)
    return ArrayDataset(choice, inputs, preprocessing)


def describe_dataset(dataset: Dataset) -> DataSummary:
    """What was found; reads everything once for the digest and to find NaN and infinities.

    Raises:
        DataError: a value is NaN or infinite.
    """
    dataset.ensure_finite()
    return DataSummary(
        samples=dataset.samples,
        has_labels=dataset.has_labels,
        digest=dataset.digest,
        description=dataset.description,
        is_tokens=dataset.is_tokens,
    )


def _load_from_folder(folder: Path) -> Preprocessing:
    path = folder / FOLDER_PREPROCESSING
    if not path.is_file():
        raise DataError(
            f"The image folder {folder.name} needs preprocessing. Pass --preprocess FILE.json, or put a "
            f"{FOLDER_PREPROCESSING} into the folder."
        )
    return load_preprocessing(path)


def _ensure_input_exists(preprocessing: Preprocessing | None, inputs: tuple[TensorSpec, ...]) -> None:
    name = preprocessing.input if preprocessing else None
    if name is not None and name not in {spec.name for spec in inputs}:
        raise DataError(
            f"The preprocessing is for the input '{name}', which the model does not have. "
            f"Set 'input' to one of {', '.join(spec.name for spec in inputs)}."
        )
